-- Who did what, to be asked by its parts; and what perms2 said before a change of it: only that tells for whom an object has come,
-- or gone, by the change. Keys of /useragent-kv belong to the project that stored them.
alter table change
    add column caller        jsonb,      -- user, user_id, project, project_name, domain, roles and address, as far as known
    add column former_perms2 text;       -- where the change has made it another one
alter table key_value
    add column project uuid;             -- none: nobody's, everybody may write it
