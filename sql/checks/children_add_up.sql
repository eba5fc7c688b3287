-- Children have their parent's conversations together, and users between the largest child's and their sum.
SELECT parent.cluster_id
FROM clusters AS parent
JOIN clusters AS child ON child.parent_id = parent.cluster_id
GROUP BY parent.cluster_id, parent.conversations, parent.users
HAVING sum(child.conversations) <> parent.conversations
    OR max(child.users) > parent.users
    OR sum(child.users) < parent.users
