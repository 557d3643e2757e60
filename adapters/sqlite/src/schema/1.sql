-- Instants are nanoseconds since 1970, UTC. `number` is the row's own key, so that what refers to a row
-- stays small.
CREATE TABLE conversations (
  number INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  organization TEXT NOT NULL,
  principal TEXT NOT NULL,
  platform TEXT NOT NULL,
  title TEXT,
  idempotency_key TEXT NOT NULL,
  user TEXT NOT NULL,  -- JSON
  agent TEXT NOT NULL,  -- JSON
  message_count INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  UNIQUE (organization, principal, idempotency_key)
) STRICT;
CREATE INDEX recent ON conversations (organization, principal, updated_at DESC, id) WHERE message_count > 0;

-- `place` counts a conversation's messages from 0 in the order in which they came.
CREATE TABLE messages (
  conversation INTEGER NOT NULL REFERENCES conversations (number),
  place INTEGER NOT NULL,
  id TEXT NOT NULL,
  direction INTEGER NOT NULL,  -- 0 inbound, 1 outbound
  text TEXT NOT NULL,
  structured TEXT,  -- JSON
  sender TEXT NOT NULL,
  receiver TEXT NOT NULL,
  request_id TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX message_places ON messages (conversation, place);
CREATE UNIQUE INDEX message_ids ON messages (conversation, id);

CREATE TABLE sessions (
  id TEXT PRIMARY KEY,
  conversation TEXT NOT NULL,
  organization TEXT NOT NULL,
  principal TEXT NOT NULL,
  agent_id TEXT NOT NULL,
  agent_name TEXT NOT NULL,
  user_participant TEXT NOT NULL,
  agent_participant TEXT NOT NULL,
  thread_id TEXT NOT NULL,
  status TEXT NOT NULL,  -- JSON
  supports TEXT NOT NULL,  -- JSON
  verified_user TEXT,
  name TEXT,
  email TEXT,
  phone TEXT,
  metadata TEXT,  -- JSON
  token_count INTEGER NOT NULL,
  message_count INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  last_activity_at INTEGER NOT NULL
) STRICT;

-- Who holds a conversation; no row: nobody ever did.
CREATE TABLE turns (
  conversation INTEGER PRIMARY KEY REFERENCES conversations (number),
  state TEXT NOT NULL  -- JSON
) STRICT;

CREATE TABLE journal (
  turn TEXT NOT NULL,
  ordinal INTEGER NOT NULL,
  conversation INTEGER NOT NULL REFERENCES conversations (number),
  entry TEXT NOT NULL,  -- JSON
  PRIMARY KEY (turn, ordinal)
) STRICT, WITHOUT ROWID;

CREATE TABLE documents (
  number INTEGER PRIMARY KEY,
  organization TEXT NOT NULL,
  id TEXT NOT NULL,
  source TEXT NOT NULL,
  title TEXT NOT NULL,
  url TEXT,
  acl TEXT NOT NULL,  -- JSON
  content_hash TEXT NOT NULL,
  updated_at INTEGER NOT NULL,
  UNIQUE (organization, id)
) STRICT;

-- `starts_at` and `ends_at` are bytes of the document's text; `embedding` is 32-bit floats, little-endian.
CREATE TABLE chunks (
  document INTEGER NOT NULL REFERENCES documents (number) ON DELETE CASCADE,
  ordinal INTEGER NOT NULL,
  text TEXT NOT NULL,
  headings TEXT NOT NULL,  -- JSON
  starts_at INTEGER NOT NULL,
  ends_at INTEGER NOT NULL,
  embedding BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX chunk_places ON chunks (document, ordinal);

CREATE TABLE admin (
  organization TEXT NOT NULL,
  kind TEXT NOT NULL,
  id TEXT NOT NULL,
  value TEXT NOT NULL,  -- JSON
  updated_at INTEGER NOT NULL,
  PRIMARY KEY (organization, kind, id)
) STRICT, WITHOUT ROWID;
