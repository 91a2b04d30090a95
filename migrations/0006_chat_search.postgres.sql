-- Full-text search. The words are made by the program (src/features/chat/words.cpp), so that both databases find the
-- same; PostgreSQL's own parser is not asked.
CREATE TABLE chat_message_index (
    id              BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    message_id      TEXT NOT NULL UNIQUE REFERENCES chat_messages (id) ON DELETE CASCADE,
    words           TSVECTOR NOT NULL
);
CREATE INDEX chat_message_index_words ON chat_message_index USING gin (words);
