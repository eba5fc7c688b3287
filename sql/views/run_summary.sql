CREATE VIEW run_summary AS
SELECT
    stage,
    count(*) AS steps,
    sum(rows_in)::UBIGINT AS rows_in,
    sum(rows_out)::UBIGINT AS rows_out,
    round(sum(seconds), 2) AS seconds,
    sum(model_calls)::UBIGINT AS model_calls,
    sum(cached_calls)::UBIGINT AS cached_calls,
    sum(input_tokens)::UBIGINT AS input_tokens,
    sum(output_tokens)::UBIGINT AS output_tokens,
    round(sum(cost), 4) AS cost,
    max(finished_at) AS last_finished_at
FROM run_log
GROUP BY stage
ORDER BY min(finished_at), stage;

COMMENT ON VIEW run_summary IS 'Steps that made the published tables, added up by stage.';
COMMENT ON COLUMN run_summary.stage IS 'Step of the pipeline.';
COMMENT ON COLUMN run_summary.steps IS 'How often it ran.';
COMMENT ON COLUMN run_summary.rows_in IS 'Rows read.';
COMMENT ON COLUMN run_summary.rows_out IS 'Rows written.';
COMMENT ON COLUMN run_summary.seconds IS 'Wall time.';
COMMENT ON COLUMN run_summary.model_calls IS 'Calls of language models, added up from rounded counts; null without a model.';
COMMENT ON COLUMN run_summary.cached_calls IS 'Answers that were known already, added up from rounded counts.';
COMMENT ON COLUMN run_summary.input_tokens IS 'Tokens of the prompts, added up from rounded counts.';
COMMENT ON COLUMN run_summary.output_tokens IS 'Tokens of the answers, added up from rounded counts.';
COMMENT ON COLUMN run_summary.cost IS 'US dollars, at the prices in the settings.';
COMMENT ON COLUMN run_summary.last_finished_at IS 'When it last finished, UTC.';
