-- A session's messages are a tree: an edit is a new branch, a regenerated reply a sibling. The session remembers the end
-- of the branch that it goes on from.
ALTER TABLE chat_sessions ADD COLUMN active_message_id TEXT;
ALTER TABLE chat_sessions ADD COLUMN name_origin TEXT NOT NULL DEFAULT 'chosen' CHECK (name_origin IN ('placeholder', 'generated', 'chosen'));
ALTER TABLE chat_sessions ADD COLUMN folder TEXT;
ALTER TABLE chat_sessions ADD COLUMN tags TEXT NOT NULL DEFAULT '[]';
UPDATE chat_sessions SET active_message_id = (SELECT max(m.id) FROM chat_messages m WHERE m.session_id = chat_sessions.id);
CREATE INDEX chat_sessions_by_folder ON chat_sessions (folder, created_at, id);

-- What `tags` holds, once more by tag.
CREATE TABLE chat_session_tags (
    session_id      TEXT NOT NULL REFERENCES chat_sessions (id) ON DELETE CASCADE,
    tag             TEXT NOT NULL,
    PRIMARY KEY (session_id, tag)
);
CREATE INDEX chat_session_tags_by_tag ON chat_session_tags (tag, session_id);

ALTER TABLE chat_messages ADD COLUMN attachments TEXT NOT NULL DEFAULT '[]';
-- Ids are made in the order of creation: this one serves the list, the old one sorted the whole session for each page.
CREATE INDEX chat_messages_in_order ON chat_messages (session_id, id);
DROP INDEX chat_messages_by_session;
