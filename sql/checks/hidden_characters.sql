-- No published string holds control, bidirectional, zero-width or private-use characters.
WITH strings AS (
    SELECT cluster_id AS text FROM clusters
    UNION ALL SELECT name FROM clusters
    UNION ALL SELECT summary FROM clusters
    UNION ALL SELECT value FROM cluster_cells
    UNION ALL SELECT name FROM cluster_lineage
    UNION ALL SELECT previous_name FROM cluster_lineage
    UNION ALL SELECT name FROM usage_seeds
    UNION ALL SELECT summary FROM usage_seeds
    UNION ALL SELECT concat_ws(' ', subject, dataset, condition, "group", level) FROM eval_metrics
    UNION ALL SELECT concat_ws(' ', subject, dataset, condition) FROM eval_suites
    UNION ALL SELECT concat_ws(' ', subject, dataset, condition) FROM eval_losses
    UNION ALL SELECT concat_ws(' ', behaviour, label, writer, judge) FROM model_written_funnel
    UNION ALL SELECT dataset FROM model_written_diversity
    UNION ALL SELECT text FROM statement_consensus
    UNION ALL SELECT concat_ws(' ', text, original, rationale, writer) FROM constitution_principles
    UNION ALL SELECT concat_ws(' ', text, nearest_text) FROM constitution_matches
    UNION ALL SELECT concat_ws(' ', subject, dataset, condition, item_id, question_id, most_similar, least_similar) FROM opinion_questions
    UNION ALL SELECT note FROM run_log
)
SELECT 'hidden character' AS fault
FROM strings
WHERE regexp_matches(text, '[\p{Cc}\p{Cf}\p{Co}\p{Zl}\p{Zp}]')
