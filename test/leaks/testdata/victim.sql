-- One copy of this per attack that changes something: $V is its schema.
CREATE SCHEMA $V;
CREATE TABLE $V.victim (id int PRIMARY KEY, secret text, code text, n bigint);
INSERT INTO $V.victim VALUES (1, '{{ssn}}', 'one', 1), (2, '{{name}}', 'two', 2);
CREATE TABLE $V.child (extra text) INHERITS ($V.victim);
INSERT INTO $V.child VALUES (3, '{{name}}', 'three', 3, 'e');
CREATE TABLE $V.parted (id int, secret text, code text) PARTITION BY LIST (id);
CREATE TABLE $V.part1 PARTITION OF $V.parted FOR VALUES IN (1);
INSERT INTO $V.parted VALUES (1, '{{name}}', 'p');
CREATE TABLE $V.scratch (id int PRIMARY KEY, code text, n bigint, blob bytea, doc jsonb);
INSERT INTO $V.scratch VALUES (1, 'a', 0), (2, 'b', 0);
CREATE VIEW $V.look AS SELECT id, secret AS shown FROM $V.victim;
CREATE SEQUENCE $V.seq;
