-- How many messages lead to this one, itself included: nobody has to walk a long conversation to its root to count it.
ALTER TABLE chat_messages ADD COLUMN depth BIGINT NOT NULL DEFAULT 1;
UPDATE chat_messages SET depth = tree.depth FROM (
    WITH RECURSIVE down (id, depth) AS (
        SELECT id, CAST(1 AS BIGINT) FROM chat_messages WHERE parent_id IS NULL
        UNION ALL
        SELECT m.id, down.depth + 1 FROM chat_messages m JOIN down ON m.parent_id = down.id
    )
    SELECT id, depth FROM down WHERE depth > 1
) AS tree WHERE chat_messages.id = tree.id;
