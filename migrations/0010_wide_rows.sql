-- The keyspaces that daemons keep for themselves, as clients of Cassandra write and read them (CQL contract 4): rows have a key
-- and any number of columns, each with a value and the time at which it was written. The configuration is not in here.
create table wide_keyspace (
    name        text primary key,
    replication text not null            -- as its maker wrote it; it says nothing here
);

-- A number instead of two names in each row; what is made anew under the same name has another one.
create table wide_table (
    id       bigint generated always as identity primary key,
    keyspace text not null constraint wide_table_keyspace references wide_keyspace on delete cascade,
    name     text not null,
    constraint wide_table_name unique (keyspace, name)
);

create table wide_row (
    wide_table bigint not null constraint wide_row_table references wide_table on delete cascade,
    key        bytea  not null,
    column1    bytea  not null,
    value      bytea  not null,          -- a text in UTF-8; those of PostgreSQL can't hold every one
    written    bigint not null           -- microseconds since 1970
);
-- Keys and columns may be longer than an index entry, so rows are in the order of a digest of their keys, and columns in that of
-- their first bytes; what has the same first ones is sorted when it is read.
create unique index wide_row_place on wide_row
    (wide_table, sha256(key), substring(column1 for 1000), sha256(column1));

-- When something is written at this time: that of a client's clock (c) counts unless it is more than a minute off, one that was
-- given (g) counts, and otherwise it is now.
create function wide_row_time(source text, told bigint) returns bigint
    language sql stable parallel safe
    return (
        select case
                when source = 'g' then told
                when source = 'c' and told between here - 60000000 and here + 60000000 then told
                else here
            end
        from (select (extract(epoch from now()) * 1000000)::bigint as here) as clock);

insert into wide_keyspace (name, replication)
    select name, '{ ''class'': ''SimpleStrategy'', ''replication_factor'': ''1'' }'
    from unnest(array['to_bgp_keyspace', 'svc_monitor_keyspace', 'dm_keyspace']) as name;
insert into wide_table (keyspace, name) values
    ('to_bgp_keyspace', 'route_target_table'),
    ('to_bgp_keyspace', 'service_chain_table'),
    ('to_bgp_keyspace', 'service_chain_ip_address_table'),
    ('to_bgp_keyspace', 'service_chain_uuid_table'),
    ('svc_monitor_keyspace', 'service_instance_table'),
    ('svc_monitor_keyspace', 'pool_table'),
    ('svc_monitor_keyspace', 'loadbalancer_table'),
    ('svc_monitor_keyspace', 'healthmonitor_table'),
    ('dm_keyspace', 'dm_pr_vn_ip_table'),
    ('dm_keyspace', 'dm_pr_asn_table'),
    ('dm_keyspace', 'dm_ni_ipv6_ll_table'),
    ('dm_keyspace', 'dm_pnf_resource_table');

-- The processes that listen for clients of Cassandra, which learn of each from the others.
create table cql_server (
    server  uuid        primary key,
    address inet        not null,
    port    integer     not null,
    at      timestamptz not null         -- renewed; who is silent for some seconds is gone
);
