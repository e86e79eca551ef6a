"""Tables of the sandbox. Times are Unix seconds of the virtual clock unless they say `real`."""

VERSION = 1

SCHEMA = """
create table if not exists meta (name text primary key, value text not null) without rowid;

create table if not exists departments (
  id integer primary key, name text not null, name_en text not null,
  parentid integer not null, ord integer not null);

create view if not exists department_tree as
  with recursive tree(root, id) as (
    select id, id from departments
    union select tree.root, d.id from departments d join tree on d.parentid = tree.id)
  select root, id from tree;

create table if not exists members (
  userid text primary key, name text not null, gender text not null, position text not null,
  mobile text not null, department integer not null, is_leader integer not null default 0,
  direct_leader text not null default '', status integer not null default 1,
  open_userid text not null, visible integer not null default 1, follows integer not null default 1,
  native_welcome integer not null default 0,
  reply_minutes real not null, skill real not null, pushy real not null,
  diligence real not null) without rowid;

create table if not exists contacts (
  external_userid text primary key, name text not null, type integer not null,
  gender integer not null, unionid text not null default '', corp_name text not null default '',
  position text not null default '', member_no text not null default '') without rowid;

create table if not exists relations (
  userid text not null, external_userid text not null, createtime integer not null,
  add_way integer not null, state text not null default '', remark text not null default '',
  description text not null default '', remark_corp_name text not null default '',
  remark_mobiles text not null default '[]', oper_userid text not null,
  half integer not null default 0, lost_by text not null default '', lost_at integer,
  chatted_day integer not null default 0,
  primary key (userid, external_userid)) without rowid;
create index if not exists relations_by_contact on relations (external_userid, userid);
create index if not exists relations_by_time on relations (createtime);

-- What list calls show. A customer's deletion is one-sided: the member keeps the relation.
-- Relations of members who left wait in another list.
create table if not exists leavers (userid text primary key, at integer not null) without rowid;
drop view if exists listed;
create view listed as
  select * from relations where not half and (lost_by = '' or (lost_by = 'customer'
    and (select value from meta where name = 'lost_relations_listed') = 'true'))
    and userid not in (select userid from leavers);

create table if not exists prospects (
  member_no text primary key, name text not null, unionid text not null,
  gender integer not null) without rowid;

create table if not exists tag_groups (
  group_id text primary key, name text not null, create_time integer not null,
  ord integer not null, deleted integer not null default 0, app text not null default '');
create table if not exists tags (
  tag_id text primary key, group_id text not null, name text not null,
  create_time integer not null, ord integer not null, deleted integer not null default 0,
  app text not null default '');
create table if not exists relation_tags (
  userid text not null, external_userid text not null, tag_id text not null,
  primary key (userid, external_userid, tag_id)) without rowid;
create index if not exists relation_tags_by_tag on relation_tags (tag_id, userid, external_userid);

create table if not exists chats (
  chat_id text primary key, name text not null, owner text not null,
  create_time integer not null, notice text not null default '',
  status integer not null default 0, admins text not null default '[]',
  version text not null, dismissed_at integer);
create table if not exists chat_members (
  chat_id text not null, member text not null, type integer not null,
  join_time integer not null, join_scene integer not null, state text not null default '',
  invitor text not null default '', nickname text not null default '',
  primary key (chat_id, member)) without rowid;
create index if not exists chat_members_by_member on chat_members (member);

create table if not exists behavior (
  userid text not null, day integer not null, new_apply integer not null default 0,
  new_contact integer not null default 0, chat integer not null default 0,
  message integer not null default 0, opened integer not null default 0,
  answered integer not null default 0, answer_seconds integer not null default 0,
  negative integer not null default 0, primary key (userid, day)) without rowid;

create table if not exists tokens (
  token text primary key, corpid text not null, secret text not null,
  issued_at real not null, expires_at real not null, revoked integer not null default 0);

create table if not exists ledger (
  id integer primary key, at real not null, real_at real not null, method text not null,
  app text not null, effect_id text not null, digest text not null, body text not null,
  answered text not null default 'yes');
create index if not exists ledger_by_method on ledger (method, id);

create table if not exists media (
  media_id text primary key, kind text not null, scene text not null, filename text not null,
  content_type text not null, content blob not null, created_at real not null);

create table if not exists moments (
  moment_id text primary key, jobid text not null default '', creator text not null default '',
  create_type integer not null, create_time integer not null, ready_at real not null,
  text text not null, attachments text not null, tags text not null default '[]',
  visible_type integer not null, cancelled_at real);
create table if not exists moment_jobs (
  jobid text primary key, started_at real not null, due_at real not null,
  moment_id text not null default '', result text not null);
create table if not exists moment_tasks (
  moment_id text not null, userid text not null, publish_at real, published_at real,
  reminded integer not null default 0, primary key (moment_id, userid)) without rowid;
create index if not exists moment_tasks_due on moment_tasks (publish_at) where published_at is null;
create table if not exists moment_audience (
  moment_id text not null, userid text not null, external_userid text not null,
  sees integer not null, day integer not null,
  primary key (moment_id, userid, external_userid)) without rowid;
create index if not exists moment_audience_by_day on moment_audience (day, external_userid);
create table if not exists moment_reactions (
  moment_id text not null, userid text not null, kind text not null,
  who text not null, at real not null);
create index if not exists moment_reactions_by_moment on moment_reactions (moment_id, userid);

create table if not exists app_messages (
  id integer primary key, msgid text not null, at real not null, agentid integer not null,
  userid text not null, msgtype text not null, body text not null,
  outcome text not null default 'delivered');
create index if not exists app_messages_by_user on app_messages (userid, at);

create table if not exists welcome_codes (
  code text primary key, userid text not null, external_userid text not null,
  issued_at real not null, used_at real, used_by text not null default '',
  body text not null default '');

create table if not exists callbacks (
  id integer primary key, at real not null, event text not null, xml text not null,
  due_real real not null, tries integer not null default 0,
  state text not null default 'pending', detail text not null default '', sent_real real);
create index if not exists callbacks_due on callbacks (state, due_real);

-- What apps put on the platform: codes, links, templates, rules, products. `body` is JSON.
create table if not exists shelf (
  kind text not null, id text not null, app text not null, create_time integer not null,
  body text not null, primary key (kind, id)) without rowid;

create table if not exists way_scans (
  config_id text not null, userid text not null, external_userid text not null, at real not null,
  chat_until real, primary key (config_id, userid, external_userid)) without rowid;

create table if not exists link_quota (
  id integer primary key, total integer not null, balance integer not null,
  expires_at integer not null, warned integer not null default 999);
create table if not exists link_clicks (
  link_id text not null, external_userid text not null, at real not null);
create index if not exists link_clicks_by_time on link_clicks (link_id, at);
create table if not exists link_customers (
  link_id text not null, userid text not null, external_userid text not null,
  state text not null, at real not null, messages integer not null default 0,
  primary key (userid, external_userid)) without rowid;
create index if not exists link_customers_by_link on link_customers (link_id, userid);
create table if not exists chat_keys (
  chat_key text primary key, link_id text not null, state text not null, userid text not null,
  external_userid text not null, messages integer not null, at real not null);

create table if not exists mass_messages (
  msgid text primary key, app text not null default '', creator text not null default '',
  create_type integer not null, create_time integer not null, ready_at real not null,
  chat_type text not null, text text not null, attachments text not null, cancelled_at real);
create table if not exists mass_tasks (
  msgid text not null, userid text not null, send_at real, sent_at real,
  share real not null default 1, reminded integer not null default 0,
  primary key (msgid, userid)) without rowid;
create index if not exists mass_tasks_due on mass_tasks (send_at) where sent_at is null;
create table if not exists mass_targets (
  msgid text not null, userid text not null, target text not null,
  status integer not null default 0, sent_at real,
  primary key (msgid, userid, target)) without rowid;
create index if not exists mass_targets_received on mass_targets (target, sent_at);
create table if not exists mass_reminders (msgid text not null, at real not null);
create index if not exists mass_reminders_of on mass_reminders (msgid, at);

create table if not exists transfers (
  id integer primary key, handover text not null, takeover text not null,
  external_userid text not null, resigned integer not null, started_at real not null,
  due_at real not null, refuses integer not null, status integer not null, finished_at real);
create index if not exists transfers_of on transfers (external_userid, status);
create index if not exists transfers_between on transfers (handover, takeover);
create table if not exists chat_transfers (
  chat_id text not null, giver text not null, taker text not null, at real not null,
  resigned integer not null);

create table if not exists strategy_groups (
  group_id text primary key, strategy_id integer not null) without rowid;

create table if not exists upload_jobs (
  jobid text primary key, at real not null, status integer not null, kind text not null,
  filename text not null, url text not null, md5 text not null, errcode integer not null default 0,
  media_id text not null default '', done_at real);

create table if not exists archive_keys (
  version integer primary key, public_pem text not null, private_pem text not null,
  at real not null);
create table if not exists archive (
  seq integer primary key, msgid text not null, at real not null, version integer not null,
  random_key text not null, chat_msg text not null, plain text not null);
create table if not exists archive_files (
  sdkfileid text primary key, size integer not null, at real not null) without rowid;
create table if not exists consents (
  room text not null, userid text not null, external_userid text not null, status text not null,
  at integer not null, primary key (room, userid, external_userid)) without rowid;
"""
