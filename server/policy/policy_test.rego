package hoop.policy_test

import data.hoop.policy

index := {
	"rules": {"pg": {
		"read": {
			"agents": about(["deny-vault"], {"vault": {"": ["deny-vault"]}}),
			"*": about(["hold-clinic"], {"clinic": {"patients": ["hold-clinic"]}}),
			"nurses": about(["deny-keys"], {"": {"keys": ["deny-keys"]}}),
		},
		"ddl": {"dba": anywhere(["free"])},
		"destroy": {"*": anywhere(["one", "two", "also-two"])},
		"derive": {"dba": about(["free"], {"scratch": {"": ["free"]}}), "agents": about(["hold-clinic"], {"clinic": {"patients": ["hold-clinic"]}})},
		"unknown": {"*": anywhere(["free"])},
	}},
	"statement_rules": {
		"deny-vault": [-2, 0, 0, "deny-vault", "deny"],
		"deny-keys": [-2, 0, 0, "deny-keys", "deny"],
		"hold-clinic": [-1, -1, 0, "hold-clinic", "approve"],
		"free": [0, 0, 0, "free", "allow"],
		"one": [-1, -1, 0, "one", "approve"],
		"two": [-1, -2, 0, "two", "approve"],
		"also-two": [-1, -2, 0, "also-two", "approve"],
	},
	"defaults": {
		"read": [0, 0, 1, "default", "allow"],
		"ddl": [-1, -1, 1, "default", "approve"],
		"destroy": [-1, -1, 1, "default", "approve"],
		"derive": [-2, 0, 1, "default", "deny"],
		"unknown": [-2, 0, 1, "default", "deny"],
	},
	"masked": {},
	"access": {"pg": {"agents": ["short", "asked"], "dba": ["long", "asked-less"], "oncall": ["asked", "asked-less"]}},
	"emergency": {"pg": {"oncall": ["glass"]}},
	"access_rules": {
		"glass": {"asks": false, "count": 0, "seconds": 900},
		"short": {"asks": false, "count": 0, "seconds": 60},
		"long": {"asks": false, "count": 0, "seconds": 3600},
		"asked": {"asks": true, "count": 2, "seconds": 7200},
		"asked-less": {"asks": true, "count": 1, "seconds": 7200},
	},
}

about(names, tables) := {"all": names, "anywhere": [], "tables": tables}

anywhere(names) := {"all": names, "anywhere": names, "tables": {}}

use(effect, tables) := {"effect": effect, "any_table": false, "tables": [{"schema": t[0], "table": t[1]} | some t in tables]}

anything(effect) := {"effect": effect, "any_table": true, "tables": []}

decided(groups, uses) := d if {
	question := {"identity": {"groups": groups}, "target": "pg", "uses": uses}
	d := policy.decision with data.hoop.index as index with input as question
}

test_default_where_no_rule_matches if {
	decided([], [use("read", [["clinic", "wards"]])]) == {"action": "allow", "rule": "default", "use": 0, "also": []}
	decided([], [use("ddl", [])]) == {"action": "approve", "rule": "default", "use": 0, "also": []}
}

test_a_rule_takes_the_place_of_the_default if {
	decided(["dba"], [use("ddl", [])]) == {"action": "allow", "rule": "free", "use": 0, "also": []}
}

test_tables if {
	decided(["agents"], [use("read", [["vault", "keys"]])]).rule == "deny-vault"
	decided(["agents"], [use("read", [["clinic", "patients"]])]).rule == "hold-clinic"
	decided(["agents"], [use("read", [["clinic", "wards"], ["clinic", "patients"]])]).rule == "hold-clinic"
	decided(["agents"], [use("read", [["other", "patients"]])]).rule == "default"
	decided(["agents"], [use("read", [])]).rule == "default"
	decided(["agents"], [anything("read")]).rule == "deny-vault"
	decided(["nurses"], [use("read", [["vault", "keys"]])]).rule == "deny-keys"
	decided(["nurses"], [use("read", [["vault", "locks"]])]).rule == "default"
}

test_a_rule_on_tables_decides_about_no_others if {
	scratch := [["scratch", "a"], ["scratch", "b"]]
	decided(["dba"], [use("derive", scratch)]) == {"action": "allow", "rule": "free", "use": 0, "also": []}
	decided(["dba"], [use("derive", array.concat(scratch, [["clinic", "wards"]]))]) == {"action": "deny", "rule": "default", "use": 0, "also": []}
	decided(["dba"], [use("derive", [])]).action == "deny"
	decided(["dba"], [anything("derive")]).action == "deny"
	decided(["dba", "agents"], [use("derive", [["scratch", "a"], ["clinic", "patients"]])]).rule == "hold-clinic"
	inherits := {"schema": "clinic", "table": "beds", "parents": [{"schema": "clinic", "table": "wards"}, {"schema": "scratch", "table": "a"}]}
	decided(["dba"], [{"effect": "derive", "any_table": false, "tables": [inherits]}]).action == "allow"
	decided([], [{"effect": "read", "any_table": false, "tables": [{"schema": "clinic", "table": "kids", "parents": [{"schema": "clinic", "table": "patients"}]}]}]).rule == "hold-clinic"
}

test_groups if {
	decided(["people"], [use("read", [["vault", "keys"]])]).rule == "default"
	decided([], [use("read", [["clinic", "patients"]])]).rule == "hold-clinic"
}

test_strictest_effect_decides if {
	decided(["agents"], [use("ddl", []), use("read", [["vault", "keys"]])]) == {"action": "deny", "rule": "deny-vault", "use": 1, "also": []}
	decided([], [use("read", []), use("ddl", [])]) == {"action": "approve", "rule": "default", "use": 1, "also": []}
}

test_rules_that_observe_decide_nothing if {
	watching := object.union(index, {"observing": {"pg": {"read": {"*": anywhere(["watch"])}}}, "statement_rules": {"watch": [-2, 0, 0, "watch", "deny"]}})
	question := {"identity": {"groups": []}, "target": "pg", "uses": [use("read", [])]}
	d := policy.decision with data.hoop.index as watching with input as question
	d.action == "allow"
	o := policy.observed with data.hoop.index as watching with input as question
	o == {"action": "deny", "rule": "watch", "use": 0, "also": []}
}

test_most_people_then_the_name if {
	decided([], [use("destroy", [])]) == {"action": "approve", "rule": "also-two", "use": 0, "also": [["two", 0]]}
}

test_unknown_is_denied_where_masks_apply if {
	decided([], [use("unknown", [])]).action == "allow"
	masked := object.union(index, {"masked": {"pg": true}})
	question := {"identity": {"groups": []}, "target": "pg", "uses": [use("unknown", [])]}
	d := policy.decision with data.hoop.index as masked with input as question
	d == {"action": "deny", "rule": "masked", "use": 0, "also": []}
}

test_what_is_not_known_is_denied if {
	decided([], []).action == "deny"
	decided([], [use("levitate", [])]).action == "deny"
	decided([], [use("read", []), use("levitate", [])]).action == "deny"
	other := {"identity": {"groups": []}, "target": "elsewhere", "uses": [use("read", [])]}
	d := policy.decision with data.hoop.index as index with input as other
	d.action == "deny"
	e := policy.decision with data.hoop.index as index with input as {}
	e.action == "deny"
	f := policy.decision with data.hoop.index as {} with input as other
	f.action == "deny"
}

granted(groups) := name if {
	name := policy.access with data.hoop.index as index with input as {"identity": {"groups": groups}, "target": "pg"}
}

test_access if {
	granted(["agents"]) == "short"
	granted(["agents", "dba"]) == "long"
	granted(["oncall"]) == "asked-less"
	not granted([])
	not granted(["people"])
}

test_emergency if {
	name := policy.emergency with data.hoop.index as index with input as {"identity": {"groups": ["oncall"]}, "target": "pg"}
	name == "glass"
	granted(["oncall"]) != "glass"
	not policy.emergency with data.hoop.index as index with input as {"identity": {"groups": ["agents"]}, "target": "pg"}
}

test_also_is_what_wants_as_many if {
	both := decided(["agents"], [use("derive", [["clinic", "patients"]]), use("read", [["clinic", "patients"]])])
	both == {"action": "approve", "rule": "hold-clinic", "use": 0, "also": []}
	other := object.union(index, {"rules": {"pg": {"ddl": {"*": anywhere(["one"])}}}})
	question := {"identity": {"groups": []}, "target": "pg", "uses": [use("ddl", []), use("read", [["clinic", "patients"]])]}
	d := policy.decision with data.hoop.index as other with input as question
	d == {"action": "approve", "rule": "hold-clinic", "use": 1, "also": [["one", 0]]}
	stricter := decided([], [use("destroy", []), use("read", [["clinic", "patients"]])])
	stricter == {"action": "approve", "rule": "also-two", "use": 0, "also": [["two", 0]]}
}
