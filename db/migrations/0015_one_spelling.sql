-- breaking: no; locks principals for a look at its rows, and fails where an id is spelled in another way: rename it before
--
-- Ids are compared as they are: in one spelling, nobody is two people.
alter table principals add constraint principals_one_spelling
  check (id collate "C" ~ '^[a-z0-9][a-z0-9@._/+-]{0,126}$');
