-- Written by `python -m schemas.comments` from schemas/published.py; do not edit.

COMMENT ON TABLE clusters IS 'Groups of similar conversations, at every level of the tree; small ones are merged into an Other.';
COMMENT ON COLUMN clusters."cluster_id" IS 'Id of the cluster; kept from release to release.';
COMMENT ON COLUMN clusters."level" IS 'Height in the tree: 0 is the finest level.';
COMMENT ON COLUMN clusters."parent_id" IS 'Cluster that holds this one; null at the top.';
COMMENT ON COLUMN clusters."name" IS 'Short name; no two siblings share one.';
COMMENT ON COLUMN clusters."summary" IS 'What the conversations in the cluster are about.';
COMMENT ON COLUMN clusters."users" IS 'Distinct users; all conversations without a user id count as one user.';
COMMENT ON COLUMN clusters."conversations" IS 'Conversations in the cluster.';
COMMENT ON COLUMN clusters."share" IS 'Share of all clustered conversations.';
COMMENT ON COLUMN clusters."counts" IS 'exact; or dp: noisy, a parent''s users then being its children''s added up.';
COMMENT ON COLUMN clusters."reader" IS 'What read the facets of the conversations.';
COMMENT ON COLUMN clusters."embedder" IS 'Model that embedded them.';
COMMENT ON COLUMN clusters."namer" IS 'What wrote names and summaries.';

COMMENT ON TABLE cluster_cells IS 'Clusters by language, week, model and concern band; values that may not be shown are together `other`.';
COMMENT ON COLUMN cluster_cells."cluster_id" IS 'Cluster, as in `clusters`.';
COMMENT ON COLUMN cluster_cells."level" IS 'Height of the cluster in the tree: 0 is the finest level.';
COMMENT ON COLUMN cluster_cells."dimension" IS 'What the cluster is divided by.';
COMMENT ON COLUMN cluster_cells."value" IS 'ISO 639-1 language, Monday of the week (UTC), model or band; `other` for all the rest.';
COMMENT ON COLUMN cluster_cells."users" IS 'Distinct users of the cell.';
COMMENT ON COLUMN cluster_cells."conversations" IS 'Conversations of the cell.';
COMMENT ON COLUMN cluster_cells."share" IS 'Share of the cluster''s conversations.';

COMMENT ON TABLE language_contrasts IS 'How much more common a language is in a cluster than in the whole release, with a 95 % interval.';
COMMENT ON COLUMN language_contrasts."cluster_id" IS 'Cluster, as in `clusters`.';
COMMENT ON COLUMN language_contrasts."level" IS 'Height of the cluster in the tree: 0 is the finest level.';
COMMENT ON COLUMN language_contrasts."language" IS 'ISO 639-1 code.';
COMMENT ON COLUMN language_contrasts."users" IS 'Distinct users with the language in the cluster.';
COMMENT ON COLUMN language_contrasts."conversations" IS 'Conversations with the language in the cluster.';
COMMENT ON COLUMN language_contrasts."share_in_cluster" IS 'Share of the cluster''s conversations.';
COMMENT ON COLUMN language_contrasts."base_rate" IS 'Share of the language in the whole release.';
COMMENT ON COLUMN language_contrasts."ratio" IS 'share_in_cluster / base_rate; 1 is as common as everywhere.';
COMMENT ON COLUMN language_contrasts."ci_low" IS 'Lower end of the interval, three digits; users, not conversations, are the sample.';
COMMENT ON COLUMN language_contrasts."ci_high" IS 'Upper end of the interval, three digits.';

COMMENT ON TABLE privacy_report IS 'What the release shows, merges and withholds, and by which limits: read this first.';
COMMENT ON COLUMN privacy_report."scope" IS 'What the figure is about: release, thresholds, a level, a dimension.';
COMMENT ON COLUMN privacy_report."measure" IS 'Name of the figure.';
COMMENT ON COLUMN privacy_report."value" IS 'The figure; null where it is itself too small to be told.';
COMMENT ON COLUMN privacy_report."explanation" IS 'What the figure means, in words.';

COMMENT ON TABLE run_log IS 'Steps that produced the published tables: rows in and out, seconds, code version.';
COMMENT ON COLUMN run_log."run_id" IS 'Run of the pipeline that the step belonged to.';
COMMENT ON COLUMN run_log."stage" IS 'Step of the pipeline.';
COMMENT ON COLUMN run_log."batch" IS 'Batch that the step worked on; null for the whole.';
COMMENT ON COLUMN run_log."rows_in" IS 'Rows read.';
COMMENT ON COLUMN run_log."rows_out" IS 'Rows written.';
COMMENT ON COLUMN run_log."seconds" IS 'Wall time of the step.';
COMMENT ON COLUMN run_log."finished_at" IS 'When it finished, UTC.';
COMMENT ON COLUMN run_log."code_version" IS 'Version of the code and of what it depends on.';
COMMENT ON COLUMN run_log."note" IS 'Remark for people; never content.';

COMMENT ON TABLE privacy_ledger IS 'What noisy releases of this home have spent, by release and mechanism; empty where all counts are exact.';
COMMENT ON COLUMN privacy_ledger."release" IS 'Ordinal of the noisy release, 1 first.';
COMMENT ON COLUMN privacy_ledger."mechanism" IS 'What was drawn with noise, and how.';
COMMENT ON COLUMN privacy_ledger."epsilon" IS 'Epsilon that the mechanism spent.';
COMMENT ON COLUMN privacy_ledger."delta" IS 'Chance with which its guarantee may fail.';
COMMENT ON COLUMN privacy_ledger."l0" IS 'Groups in which one unit is counted at most.';
COMMENT ON COLUMN privacy_ledger."linf" IS 'Rows of one unit counted in one group at most.';
COMMENT ON COLUMN privacy_ledger."unit" IS 'Whose presence is protected.';
COMMENT ON COLUMN privacy_ledger."epsilon_spent" IS 'Epsilon spent by this and all earlier releases.';
COMMENT ON COLUMN privacy_ledger."delta_spent" IS 'Delta spent by this and all earlier releases.';
