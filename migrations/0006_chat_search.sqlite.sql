-- Full-text search. The words are made by the program (src/features/chat/words.cpp), so that both databases find the
-- same; the tokenizer only splits at the spaces between them.
CREATE TABLE chat_message_index (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id      TEXT NOT NULL UNIQUE REFERENCES chat_messages (id) ON DELETE CASCADE
);
CREATE VIRTUAL TABLE chat_message_words USING fts5 (words, tokenize = 'ascii', detail = 'none', columnsize = 0);
