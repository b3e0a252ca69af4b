# Decides statements and access by the declared resources. The gateway gives the data:
#
#   data.hoop.resources                what was declared, as in resources.yaml
#   data.hoop.index.rules              target -> effect -> group -> {all, anywhere, tables}: names of
#                                      statement rules, those on any table, those by schema -> table
#   data.hoop.index.statement_rules    name -> [-rank of the decision, -count, name, decision]
#   data.hoop.index.access             target -> group -> names of access rules
#   data.hoop.index.access_rules       name -> {asks, count, seconds}
#   data.hoop.index.defaults           effect -> {decision, count}
#   data.hoop.index.masked             targets that a mask rule names
#
# and the input:
#
#   {identity: {subject, kind, provider, groups}, target, uses: [{effect, any_table, tables, columns, into}]}
#
# where a table is {schema, table}.
package hoop.policy

import data.hoop.index

rank := {"allow": 0, "approve": 1, "deny": 2}

groups := {"*"} | {group | some group in input.identity.groups}

# What is not decided is denied.
default decision := {"action": "deny", "rule": "default", "use": -1}

# The strictest verdict decides: deny before approve before allow, then the one that
# wants more people, then a rule before a default, then the name.
decision := {"action": first[4], "rule": first[3], "use": first[5]} if {
	index.rules[input.target]
	verdicts := [verdict(i) | some i, _ in input.uses]
	count(verdicts) == count(input.uses)
	first := sort(verdicts)[0]
}

# verdict is the answer on one effect: by the strictest matching rule, else by default.
verdict(i) := [-2, 0, 1, "default", "deny", i] if {
	use := input.uses[i]
	not index.defaults[use.effect]
} else := [-2, 0, 1, "masked", "deny", i] if {
	# What is not understood cannot be masked.
	input.uses[i].effect == "unknown"
	index.masked[input.target]
} else := [rule[0], rule[1], 0, rule[2], rule[3], i] if {
	rule := sort(matching(input.uses[i]))[0]
} else := [-rank[answer.decision], -answer.count, 1, "default", answer.decision, i] if {
	answer := index.defaults[input.uses[i].effect]
}

# matching is the rules that meet an effect, as [-rank, -count, name, decision]. An effect
# that could be on any table meets every rule; one that names no table meets only rules
# on any table.
matching(use) := [index.statement_rules[name] | some name in everything(use)] if use.any_table

else := [index.statement_rules[name] | some name in (anywhere(use) | named(use))]

everything(use) := {name |
	some group in groups
	some name in by_effect[use.effect][group].all
}

anywhere(use) := {name |
	some group in groups
	some name in by_effect[use.effect][group].anywhere
}

# No name in PostgreSQL is empty: "" stands for every schema, or every table.
named(use) := {name |
	some group in groups
	patterns := by_effect[use.effect][group].tables
	some table in use.tables
	some key in [[table.schema, table.table], [table.schema, ""], ["", table.table]]
	some name in patterns[key[0]][key[1]]
}

by_effect := index.rules[input.target]

# access is the access rule under which the identity may have a grant: one that asks
# nobody before one that does, then the longest, then the one that asks fewer people,
# then by name. Undefined where there is none.
access := sort(offers)[0][3] if count(offers) > 0

offers := [[offer.asks, -offer.seconds, offer.count, name] |
	some group in groups
	some name in index.access[input.target][group]
	offer := index.access_rules[name]
]
