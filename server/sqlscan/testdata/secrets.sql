-- dblink as it ships, and a function that only looks like one of its.
create extension dblink;
create function dblink_like(text) returns void language plpgsql as 'begin execute $1; end';
