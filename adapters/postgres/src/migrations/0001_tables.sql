-- The tables of version 1. The program runs this file once per database, in one transaction; the
-- extension `vector` (0.8 or later) and the schema `smooth_operator` are there already.
--
-- Texts compare by their bytes (COLLATE "C"). The character U+0000, which PostgreSQL's text cannot hold,
-- is written as U+0001 U+0001, and U+0001 as U+0001 U+0002: the order of the bytes stays what it was.
-- Instants are nanoseconds since 1970-01-01T00:00:00Z. JSON is kept as the text it came as.

CREATE TABLE smooth_operator.conversations (
    organization        text COLLATE "C" NOT NULL,
    id                  text COLLATE "C" NOT NULL,
    principal           text COLLATE "C" NOT NULL,
    idempotency_key     text COLLATE "C" NOT NULL,
    platform            text COLLATE "C" NOT NULL,
    title               text COLLATE "C",
    user_participant    json NOT NULL,
    agent_participant   json NOT NULL,
    -- The place of the newest message: messages are numbered 1, 2, 3 … without gaps.
    message_count       bigint NOT NULL,
    created_at          bigint NOT NULL,
    updated_at          bigint NOT NULL,
    PRIMARY KEY (organization, id),
    UNIQUE (organization, principal, idempotency_key)
);
-- The list of a person's conversations, newest first.
CREATE INDEX conversations_recent ON smooth_operator.conversations
    (organization, principal, updated_at DESC, id) WHERE message_count > 0;

CREATE TABLE smooth_operator.messages (
    organization        text COLLATE "C" NOT NULL,
    conversation        text COLLATE "C" NOT NULL,
    place               bigint NOT NULL,
    id                  text COLLATE "C" NOT NULL,
    outbound            boolean NOT NULL,
    body                text COLLATE "C" NOT NULL,
    structured          json,
    from_participant    text COLLATE "C" NOT NULL,
    to_participant      text COLLATE "C" NOT NULL,
    request_id          text COLLATE "C" NOT NULL,
    created_at          bigint NOT NULL,
    PRIMARY KEY (organization, conversation, place),
    UNIQUE (organization, conversation, id),
    FOREIGN KEY (organization, conversation) REFERENCES smooth_operator.conversations (organization, id)
);

CREATE TABLE smooth_operator.sessions (
    organization        text COLLATE "C" NOT NULL,
    id                  text COLLATE "C" NOT NULL,
    principal           text COLLATE "C" NOT NULL,
    conversation        text COLLATE "C" NOT NULL,
    agent_id            text COLLATE "C" NOT NULL,
    agent_name          text COLLATE "C" NOT NULL,
    user_participant    text COLLATE "C" NOT NULL,
    agent_participant   text COLLATE "C" NOT NULL,
    thread_id           text COLLATE "C" NOT NULL,
    status              text COLLATE "C" NOT NULL,
    supports            json NOT NULL,
    verified_user       text COLLATE "C",
    contact_name        text COLLATE "C",
    contact_email       text COLLATE "C",
    contact_phone       text COLLATE "C",
    metadata            json,
    token_count         bigint NOT NULL,
    message_count       bigint NOT NULL,
    created_at          bigint NOT NULL,
    last_activity_at    bigint NOT NULL,
    PRIMARY KEY (organization, id)
);

-- Who holds a conversation; a row from the first claim on.
CREATE TABLE smooth_operator.turns (
    organization        text COLLATE "C" NOT NULL,
    conversation        text COLLATE "C" NOT NULL,
    principal           text COLLATE "C" NOT NULL,
    -- Grows with every claim. Together with the turn it names the claim.
    fence               bigint NOT NULL,
    -- The latest turn and the client's name for it; they stay when it has ended.
    turn                text COLLATE "C" NOT NULL,
    request_id          text COLLATE "C" NOT NULL,
    -- How many lines of the journal the turn has.
    lines               bigint NOT NULL DEFAULT 0,
    -- Until when it holds: its lease's end, or its park's; NULL when nobody holds.
    held_until          bigint,
    -- Request ids of ended turns, oldest first, at most 32.
    ended               text[] COLLATE "C" NOT NULL DEFAULT '{}',
    -- Of a parked turn, else NULL.
    park                text COLLATE "C",
    session             text COLLATE "C",
    reason              text COLLATE "C",
    detail              json,
    checkpoint          json,
    attempts_remaining  bigint,
    PRIMARY KEY (organization, conversation),
    FOREIGN KEY (organization, conversation) REFERENCES smooth_operator.conversations (organization, id)
);
-- A claim is found by its turn.
CREATE INDEX turns_turn ON smooth_operator.turns (turn);

CREATE TABLE smooth_operator.journal (
    turn                text COLLATE "C" NOT NULL,
    ordinal             bigint NOT NULL,
    organization        text COLLATE "C" NOT NULL,
    conversation        text COLLATE "C" NOT NULL,
    principal           text COLLATE "C" NOT NULL,
    call                text COLLATE "C" NOT NULL,
    tool                text COLLATE "C" NOT NULL,
    outcome             text COLLATE "C" NOT NULL,
    at                  bigint NOT NULL,
    PRIMARY KEY (turn, organization, ordinal)
);

-- All documents of an organisation with one access list share an audience: who may read is decided
-- here, and every statistic of a search is a sum over the audiences that a reader is in.
CREATE TABLE smooth_operator.audiences (
    id                  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organization        text COLLATE "C" NOT NULL,
    -- SHA-256 of the readers.
    digest              bytea NOT NULL,
    -- '*' is everyone in the organisation, 'u:ada' a user, 'g:support' a group. Empty: nobody.
    readers             text[] COLLATE "C" NOT NULL,
    chunk_count         bigint NOT NULL,
    term_count          bigint NOT NULL,
    UNIQUE (organization, digest)
);

CREATE TABLE smooth_operator.documents (
    organization        text COLLATE "C" NOT NULL,
    id                  text COLLATE "C" NOT NULL,
    audience            bigint NOT NULL REFERENCES smooth_operator.audiences (id),
    source              text COLLATE "C" NOT NULL,
    title               text COLLATE "C" NOT NULL,
    url                 text COLLATE "C",
    acl                 json NOT NULL,
    content_hash        text COLLATE "C" NOT NULL,
    -- The language that its words were cut in.
    language            text COLLATE "C" NOT NULL,
    chunk_count         bigint NOT NULL,
    term_count          bigint NOT NULL,
    updated_at          bigint NOT NULL,
    PRIMARY KEY (organization, id)
);
CREATE INDEX documents_audience ON smooth_operator.documents (audience);

CREATE TABLE smooth_operator.chunks (
    id                  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organization        text COLLATE "C" NOT NULL,
    document            text COLLATE "C" NOT NULL,
    ordinal             bigint NOT NULL,
    audience            bigint NOT NULL,
    body                text COLLATE "C" NOT NULL,
    headings            json NOT NULL,
    starts_at           bigint NOT NULL,
    ends_at             bigint NOT NULL,
    -- Its distinct terms: where its postings are.
    terms               bigint[] NOT NULL,
    UNIQUE (organization, document, ordinal),
    FOREIGN KEY (organization, document) REFERENCES smooth_operator.documents (organization, id)
);

-- The keyword index. A reader's terms are a few ranges of the primary key, which holds all that BM25
-- asks for; what he may not read is never touched.
CREATE TABLE smooth_operator.postings (
    audience            bigint NOT NULL,
    term                bigint NOT NULL,
    chunk               bigint NOT NULL,
    -- How often the term is in the chunk, and how many terms the chunk has.
    count               integer NOT NULL,
    length              integer NOT NULL,
    PRIMARY KEY (audience, term, chunk) INCLUDE (count, length)
);

CREATE TABLE smooth_operator.vectors (
    chunk               bigint PRIMARY KEY REFERENCES smooth_operator.chunks (id) ON DELETE CASCADE,
    audience            bigint NOT NULL,
    dimension           integer NOT NULL,
    embedding           vector NOT NULL
);
-- The exact search of a reader's vectors.
CREATE INDEX vectors_audience ON smooth_operator.vectors (audience, dimension);
-- The approximate search. Embeddings are of unit length, so that the inner product is the cosine.
-- m = 16 neighbours and 64 candidates while building are pgvector's own values. Dimensions without an
-- index are searched exactly.
CREATE INDEX vectors_256 ON smooth_operator.vectors
    USING hnsw ((embedding::vector(256)) vector_ip_ops) WITH (m = 16, ef_construction = 64) WHERE dimension = 256;
CREATE INDEX vectors_384 ON smooth_operator.vectors
    USING hnsw ((embedding::vector(384)) vector_ip_ops) WITH (m = 16, ef_construction = 64) WHERE dimension = 384;
CREATE INDEX vectors_512 ON smooth_operator.vectors
    USING hnsw ((embedding::vector(512)) vector_ip_ops) WITH (m = 16, ef_construction = 64) WHERE dimension = 512;
CREATE INDEX vectors_768 ON smooth_operator.vectors
    USING hnsw ((embedding::vector(768)) vector_ip_ops) WITH (m = 16, ef_construction = 64) WHERE dimension = 768;
CREATE INDEX vectors_1024 ON smooth_operator.vectors
    USING hnsw ((embedding::vector(1024)) vector_ip_ops) WITH (m = 16, ef_construction = 64) WHERE dimension = 1024;
CREATE INDEX vectors_1536 ON smooth_operator.vectors
    USING hnsw ((embedding::vector(1536)) vector_ip_ops) WITH (m = 16, ef_construction = 64) WHERE dimension = 1536;

CREATE TABLE smooth_operator.admin (
    organization        text COLLATE "C" NOT NULL,
    kind                text COLLATE "C" NOT NULL,
    id                  text COLLATE "C" NOT NULL,
    value               json NOT NULL,
    updated_at          bigint NOT NULL,
    PRIMARY KEY (organization, kind, id)
);

-- Row-level security, the second wall: every transaction says for which organisation it is, and sees and
-- writes its rows only. FORCE: the owner of the tables as well.
ALTER TABLE smooth_operator.conversations ENABLE ROW LEVEL SECURITY;
ALTER TABLE smooth_operator.conversations FORCE ROW LEVEL SECURITY;
CREATE POLICY organization ON smooth_operator.conversations
    USING (organization = nullif(current_setting('smooth_operator.organization', true), ''));
ALTER TABLE smooth_operator.messages ENABLE ROW LEVEL SECURITY;
ALTER TABLE smooth_operator.messages FORCE ROW LEVEL SECURITY;
CREATE POLICY organization ON smooth_operator.messages
    USING (organization = nullif(current_setting('smooth_operator.organization', true), ''));
ALTER TABLE smooth_operator.sessions ENABLE ROW LEVEL SECURITY;
ALTER TABLE smooth_operator.sessions FORCE ROW LEVEL SECURITY;
CREATE POLICY organization ON smooth_operator.sessions
    USING (organization = nullif(current_setting('smooth_operator.organization', true), ''));
ALTER TABLE smooth_operator.turns ENABLE ROW LEVEL SECURITY;
ALTER TABLE smooth_operator.turns FORCE ROW LEVEL SECURITY;
CREATE POLICY organization ON smooth_operator.turns
    USING (organization = nullif(current_setting('smooth_operator.organization', true), ''));
ALTER TABLE smooth_operator.journal ENABLE ROW LEVEL SECURITY;
ALTER TABLE smooth_operator.journal FORCE ROW LEVEL SECURITY;
CREATE POLICY organization ON smooth_operator.journal
    USING (organization = nullif(current_setting('smooth_operator.organization', true), ''));
ALTER TABLE smooth_operator.audiences ENABLE ROW LEVEL SECURITY;
ALTER TABLE smooth_operator.audiences FORCE ROW LEVEL SECURITY;
CREATE POLICY organization ON smooth_operator.audiences
    USING (organization = nullif(current_setting('smooth_operator.organization', true), ''));
ALTER TABLE smooth_operator.documents ENABLE ROW LEVEL SECURITY;
ALTER TABLE smooth_operator.documents FORCE ROW LEVEL SECURITY;
CREATE POLICY organization ON smooth_operator.documents
    USING (organization = nullif(current_setting('smooth_operator.organization', true), ''));
ALTER TABLE smooth_operator.chunks ENABLE ROW LEVEL SECURITY;
ALTER TABLE smooth_operator.chunks FORCE ROW LEVEL SECURITY;
CREATE POLICY organization ON smooth_operator.chunks
    USING (organization = nullif(current_setting('smooth_operator.organization', true), ''));
ALTER TABLE smooth_operator.admin ENABLE ROW LEVEL SECURITY;
ALTER TABLE smooth_operator.admin FORCE ROW LEVEL SECURITY;
CREATE POLICY organization ON smooth_operator.admin
    USING (organization = nullif(current_setting('smooth_operator.organization', true), ''));

-- Postings and vectors belong to the organisation of their audience; the inner query is itself under
-- the policy of `audiences`.
ALTER TABLE smooth_operator.postings ENABLE ROW LEVEL SECURITY;
ALTER TABLE smooth_operator.postings FORCE ROW LEVEL SECURITY;
CREATE POLICY organization ON smooth_operator.postings
    USING (audience IN (SELECT id FROM smooth_operator.audiences));
ALTER TABLE smooth_operator.vectors ENABLE ROW LEVEL SECURITY;
ALTER TABLE smooth_operator.vectors FORCE ROW LEVEL SECURITY;
CREATE POLICY organization ON smooth_operator.vectors
    USING (audience IN (SELECT id FROM smooth_operator.audiences));

-- Whoever holds a claim names its turn instead, and sees that turn only: a turn's id is a secret that
-- the store has given to the one who claimed it under his organisation.
CREATE POLICY turn ON smooth_operator.turns
    USING (turn = nullif(current_setting('smooth_operator.turn', true), ''));
CREATE POLICY turn ON smooth_operator.journal
    USING (turn = nullif(current_setting('smooth_operator.turn', true), ''));
