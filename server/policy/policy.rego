# Decides statements and access by the declared resources. The gateway gives the data:
#
#   data.hoop.resources                what was declared, as in resources.yaml
#   data.hoop.index.rules              target -> effect -> group -> {all, anywhere, tables}: names of
#                                      statement rules, those on any table, those by schema -> table
#   data.hoop.index.observing          the same with rules in mode observe, of targets that have any
#   data.hoop.index.statement_rules    name -> [-rank of the decision, -count, 0, name, decision]
#   data.hoop.index.access             target -> group -> names of access rules
#   data.hoop.index.emergency          the same, of rules with break_glass
#   data.hoop.index.access_rules       name -> {asks, count, seconds}
#   data.hoop.index.defaults           effect -> [-rank of the decision, -count, 1, "default", decision]
#   data.hoop.index.masked             targets that a mask rule names
#   data.hoop.index.cosigned           name -> seconds, of statement rules that demand a cosignature
#
# and the input:
#
#   {identity: {subject, kind, provider, groups}, target, uses: [{effect, any_table, tables, columns, into}]}
#
# where a table is {schema, table}, and has in parents those that it inherits from, or is a
# partition of, directly or not.
package hoop.policy

import data.hoop.index

groups := {"*"} | {group | some group in input.identity.groups}

# What is not decided is denied.
default decision := {"action": "deny", "rule": "default", "use": -1, "also": []}

# The strictest verdict decides: deny before approve before allow, then the one that
# wants more people, then a rule before a default, then the name. Where that is an
# approval, also is which other rules want as many, as [name, use]: who writes a statement
# could else choose between their people by what it touches besides.
decision := decided("rules")

# observed is what would be decided if the rules in mode observe counted too. It is asked
# for on targets with such rules.
default observed := {"action": "deny", "rule": "default", "use": -1, "also": []}

observed := decided("observing")

decided(by) := {"action": first[4], "rule": first[3], "use": first[5], "also": also(by, first)} if {
	index[by][input.target]
	verdicts := [array.concat(verdict(by, use), [i]) | some i, use in input.uses]
	count(verdicts) == count(input.uses)
	first := sort(verdicts)[0]
}

also(by, first) := [] if first[4] != "approve"

else := sort([[rule[3], i] |
	some i, use in input.uses
	some rule in matching(by, use)
	array.slice(rule, 0, 3) == array.slice(first, 0, 3)
	rule[3] != first[3]
])

# within is how old, in seconds, the newest witness's cosignature of the audit log may be:
# the least that any matching rule says, whether it decides or not; 0 where none does.
default within := 0

within := min(demands)

demands contains index.cosigned[rule[3]] if {
	some use in input.uses
	some rule in matching("rules", use)
}

# verdict is the answer on one effect: by the strictest matching rule. Of what no rule
# matches the default is one of them.
verdict(by, use) := [-2, 0, 1, "default", "deny"] if {
	not index.defaults[use.effect]
} else := [-2, 0, 1, "masked", "deny"] if {
	# What is not understood cannot be masked.
	use.effect == "unknown"
	index.masked[input.target]
} else := sort(matching(by, use) | {index.defaults[use.effect] | left_over(by, use)})[0]

# left_over holds where an effect is on something that no rule matches: a rule about
# certain tables decides about no other that the statement touches, or could.
left_over(by, use) if {
	count(anywhere(by, use)) == 0
	beside(by, use)
}

beside(by, use) if count({hit[0] | some hit in hits(by, use)}) < max([1, count(use.tables)])

else if use.any_table

# matching is the rules that meet an effect, as [-rank, -count, 0, name, decision]. An effect
# that could be on any table meets every rule; one that names no table meets only rules
# on any table.
matching(by, use) := {index.statement_rules[name] | some name in everything(by, use)} if use.any_table

else := {index.statement_rules[name] | some name in anywhere(by, use)} | {index.statement_rules[hit[1]] | some hit in hits(by, use)}

everything(by, use) := {name |
	some group in groups
	some name in index[by][input.target][use.effect][group].all
}

anywhere(by, use) := {name |
	some group in groups
	some name in index[by][input.target][use.effect][group].anywhere
}

# hits is which rules on certain tables meet which tables of an effect.
hits(by, use) := {[i, name] |
	some group in groups
	patterns := index[by][input.target][use.effect][group].tables
	some i, table in use.tables
	some key in keys(table)
	some name in patterns[key[0]][key[1]]
}

# keys is where rules on a table stand: under its name, and under those of what it inherits
# from, or is a partition of. No name in PostgreSQL is empty: "" stands for every schema, or
# every table.
keys(table) := array.concat(own_keys(table), [key | some parent in table.parents; some key in own_keys(parent)])

own_keys(table) := [[table.schema, table.table], [table.schema, ""], ["", table.table]]

# access is the access rule under which the identity may have a grant: one that asks
# nobody before one that does, then the longest, then the one that asks fewer people,
# then by name. Undefined where there is none.
access := sort(offers("access"))[0][3]

# emergency is the same, of the rules with break_glass.
emergency := sort(offers("emergency"))[0][3]

offers(by) := [[offer.asks, -offer.seconds, offer.count, name] |
	some group in groups
	some name in index[by][input.target][group]
	offer := index.access_rules[name]
]
