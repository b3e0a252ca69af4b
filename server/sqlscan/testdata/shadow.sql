-- Users' operators that the search_path finds where a text names none: TestUnseen.
create table log (id serial, what text);
create function noted(what text) returns int language plpgsql as $$ begin insert into public.log (what) values ($1); return 1; end $$;
create table acct (id int primary key, bal int, note text);
insert into acct select i, 100, 'n' || i from generate_series(1, 5) i;
create schema shadow;
create function shadow.int_eq(int, int) returns boolean language plpgsql as $$ begin perform public.noted('='); return true; end $$;
create operator shadow.= (leftarg = int, rightarg = int, function = shadow.int_eq);
create function shadow.int_ge(int, int) returns boolean language plpgsql as $$ begin perform public.noted('>='); return true; end $$;
create operator shadow.>= (leftarg = int, rightarg = int, function = shadow.int_ge);
create function public.has_case(int) returns int language plpgsql as $$ begin case $1 when 1 then return 2; end case; end $$;
create function public.has_using() returns bigint language sql as 'select count(*) from acct a join acct b using (id)';
