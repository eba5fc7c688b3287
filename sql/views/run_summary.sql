CREATE VIEW run_summary AS
SELECT
    stage,
    count(*) AS steps,
    sum(rows_in)::UBIGINT AS rows_in,
    sum(rows_out)::UBIGINT AS rows_out,
    round(sum(seconds), 2) AS seconds,
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
COMMENT ON COLUMN run_summary.last_finished_at IS 'When it last finished, UTC.';
