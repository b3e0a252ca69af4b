-- Types, casts and policies as ordinary databases have them: TestUnseen_Ordinary.
create extension hstore; create extension citext; create extension unaccent; create extension pg_trgm;
create type mood as enum ('glad', 'sad');
create domain positive as int check (value > 0);
create domain code as text check (value ~ '^[A-Z]+$');
create function valid_code(text) returns boolean language sql immutable as $$ select $1 ~ '^[A-Z]+$' $$;
create domain judged as text check (valid_code(value));
create function mood_int(mood) returns int language sql immutable as $$ select case $1 when 'glad' then 1 else 0 end $$;
create cast (mood as int) with function mood_int(mood);
create table plain (id int, m mood, p positive, c code, j judged, ci citext, h hstore);
create index on plain (lower(c)) where valid_code(j::text);
create function tenant() returns int language sql stable as $$ select current_setting('app.tenant', true)::int $$;
create table tenants (id int, name text);
alter table tenants enable row level security;
create policy mine on tenants using (id = tenant() and current_user = 'x');

-- An index over words without accents, as people make them: a wrapper that is called immutable.
create function bare(text) returns text language sql immutable as $$ select public.unaccent('public.unaccent', lower($1)) $$;
create table words (id int, word text);
create index on words (bare(word));
create index on words using gin (word gin_trgm_ops);
