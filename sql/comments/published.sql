-- Written by `python -m schemas.comments` from the published schemas; do not edit.

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
COMMENT ON COLUMN language_contrasts."p_value" IS 'Two-sided, of a ratio of 1; three digits.';
COMMENT ON COLUMN language_contrasts."q_value" IS 'Benjamini-Hochberg''s, over all contrasts of the level; three digits.';

COMMENT ON TABLE cluster_lineage IS 'What became of each published cluster from release to release: born, continued, split, merged, dormant, died.';
COMMENT ON COLUMN cluster_lineage."release" IS 'Ordinal of the clustering that the release shows, 1 for the home''s first.';
COMMENT ON COLUMN cluster_lineage."level" IS 'Height of the cluster in the tree: 0 is the finest level.';
COMMENT ON COLUMN cluster_lineage."event" IS 'born (first shown), continued, split (off `previous_id`), dormant (shown, but its use has stopped), revived (in use or shown again), merged (`previous_id` into `cluster_id`), died (no longer shown).';
COMMENT ON COLUMN cluster_lineage."cluster_id" IS 'Cluster of this release; where one merged, the receiver; null where died.';
COMMENT ON COLUMN cluster_lineage."name" IS 'Name of `cluster_id` in this release.';
COMMENT ON COLUMN cluster_lineage."previous_id" IS 'Cluster of the release before that it continues, split off or was; null where born or revived.';
COMMENT ON COLUMN cluster_lineage."previous_name" IS 'Name under which `previous_id` was last published.';
COMMENT ON COLUMN cluster_lineage."overlap" IS 'Share of the members of both that both have (Jaccard), over the conversations known to both clusterings: about this much, in steps of `band`; null where too few conversations tell.';
COMMENT ON COLUMN cluster_lineage."share_of_previous" IS 'Part of the older cluster''s members that are in this one, in the same steps.';
COMMENT ON COLUMN cluster_lineage."share_of_cluster" IS 'Part of this cluster''s earlier members that come from the older one, in the same steps.';
COMMENT ON COLUMN cluster_lineage."band" IS 'Step to which the shares are rounded down; wider for smaller clusters.';
COMMENT ON COLUMN cluster_lineage."quiet_since" IS 'Monday of the first week (UTC) since when the cluster is hardly used any more; null where it is in use or too few conversations tell.';

COMMENT ON TABLE map_tiles IS 'How dense the map of use is: users and conversations of square tiles, at zooms from the whole to 128 by 128.';
COMMENT ON COLUMN map_tiles."map" IS 'Ordinal of the map: releases of one map share coordinates.';
COMMENT ON COLUMN map_tiles."zoom" IS '0 is the whole map; each zoom halves the side.';
COMMENT ON COLUMN map_tiles."tile_x" IS 'Column of the tile from the left, 0 first.';
COMMENT ON COLUMN map_tiles."tile_y" IS 'Row of the tile from the bottom, 0 first.';
COMMENT ON COLUMN map_tiles."users" IS 'Distinct users of the tile.';
COMMENT ON COLUMN map_tiles."conversations" IS 'Conversations counted in the tile.';

COMMENT ON TABLE map_clusters IS 'Where each published cluster stands on the map and how far it spreads, on a grid of 64 by 64.';
COMMENT ON COLUMN map_clusters."map" IS 'Ordinal of the map: releases of one map share coordinates.';
COMMENT ON COLUMN map_clusters."cluster_id" IS 'Cluster, as in `clusters`.';
COMMENT ON COLUMN map_clusters."level" IS 'Height of the cluster in the tree: 0 is the finest level.';
COMMENT ON COLUMN map_clusters."x" IS 'Centre from left to right, in 64ths of the map''s side.';
COMMENT ON COLUMN map_clusters."y" IS 'Centre from bottom to top, in 64ths of the map''s side.';
COMMENT ON COLUMN map_clusters."spread" IS 'Distance of a typical user from the centre, at least one 64th.';

COMMENT ON TABLE privacy_report IS 'What the release shows, merges and withholds, and by which limits: read this first.';
COMMENT ON COLUMN privacy_report."scope" IS 'What the figure is about: release, thresholds, a level, a dimension.';
COMMENT ON COLUMN privacy_report."measure" IS 'Name of the figure.';
COMMENT ON COLUMN privacy_report."value" IS 'The figure; null where it is itself too small to be told.';
COMMENT ON COLUMN privacy_report."explanation" IS 'What the figure means, in words.';

COMMENT ON TABLE audit_report IS 'How much an auditor by a model found to be private at each layer, in a sample; empty without such an auditor.';
COMMENT ON COLUMN audit_report."layer" IS 'conversations (redacted), requests (facets of the same conversations) or cluster_names (as first written).';
COMMENT ON COLUMN audit_report."rated" IS 'Conversations or clusters in the sample.';
COMMENT ON COLUMN audit_report."share_private" IS 'Share found private, two decimals; null where too few people are on either side to tell.';
COMMENT ON COLUMN audit_report."ci_low" IS 'Lower end of the 95 % interval, two decimals.';
COMMENT ON COLUMN audit_report."ci_high" IS 'Upper end, two decimals; where the share is null, of what may just not be told.';
COMMENT ON COLUMN audit_report."auditor" IS 'Model that rated.';

COMMENT ON TABLE cluster_weeks IS 'Share of each week''s conversations that a cluster has, with a 95 % interval; published cells only.';
COMMENT ON COLUMN cluster_weeks."cluster_id" IS 'Cluster, as in `clusters`.';
COMMENT ON COLUMN cluster_weeks."level" IS 'Height of the cluster in the tree: 0 is the finest level.';
COMMENT ON COLUMN cluster_weeks."week" IS 'Monday of the week, UTC.';
COMMENT ON COLUMN cluster_weeks."users" IS 'Distinct users of the cluster in the week.';
COMMENT ON COLUMN cluster_weeks."conversations" IS 'Conversations of the cluster in the week.';
COMMENT ON COLUMN cluster_weeks."week_conversations" IS 'All clustered conversations of the week.';
COMMENT ON COLUMN cluster_weeks."share_of_week" IS 'conversations / week_conversations.';
COMMENT ON COLUMN cluster_weeks."ci_low" IS 'Lower end of the interval, three digits; users are the sample.';
COMMENT ON COLUMN cluster_weeks."ci_high" IS 'Upper end of the interval, three digits.';

COMMENT ON TABLE cluster_trends IS 'Growth or decline of a cluster''s share of the week, over all weeks that are published for it.';
COMMENT ON COLUMN cluster_trends."cluster_id" IS 'Cluster, as in `clusters`.';
COMMENT ON COLUMN cluster_trends."level" IS 'Height of the cluster in the tree: 0 is the finest level.';
COMMENT ON COLUMN cluster_trends."weeks" IS 'Weeks that are published for it, three at least.';
COMMENT ON COLUMN cluster_trends."first_week" IS 'Monday of the first of them.';
COMMENT ON COLUMN cluster_trends."last_week" IS 'Monday of the last of them.';
COMMENT ON COLUMN cluster_trends."growth" IS 'Factor by which its share changes from week to week; 1 is no change.';
COMMENT ON COLUMN cluster_trends."ci_low" IS 'Lower end of the 95 % interval, three digits.';
COMMENT ON COLUMN cluster_trends."ci_high" IS 'Upper end of the 95 % interval, three digits.';
COMMENT ON COLUMN cluster_trends."p_value" IS 'Two-sided, of no change; three digits.';
COMMENT ON COLUMN cluster_trends."q_value" IS 'Benjamini-Hochberg''s, over all clusters of the level; three digits.';
COMMENT ON COLUMN cluster_trends."users" IS 'Distinct users of the cluster, in all weeks.';
COMMENT ON COLUMN cluster_trends."conversations" IS 'Conversations of the cluster, in all weeks.';
COMMENT ON COLUMN cluster_trends."direction" IS 'growing or declining where q_value is at most 0.05, else undecided.';

COMMENT ON TABLE facet_contrasts IS 'How much more common a value of one facet is with a value of another than overall, with a 95 % interval.';
COMMENT ON COLUMN facet_contrasts."facet_a" IS 'First facet.';
COMMENT ON COLUMN facet_contrasts."value_a" IS 'Its value; for clusters the cluster_id.';
COMMENT ON COLUMN facet_contrasts."facet_b" IS 'Second facet.';
COMMENT ON COLUMN facet_contrasts."value_b" IS 'Its value.';
COMMENT ON COLUMN facet_contrasts."users" IS 'Distinct users with both values.';
COMMENT ON COLUMN facet_contrasts."conversations" IS 'Conversations with both values.';
COMMENT ON COLUMN facet_contrasts."share" IS 'Share of value_b among conversations with value_a.';
COMMENT ON COLUMN facet_contrasts."base_rate" IS 'Share of value_b among all conversations.';
COMMENT ON COLUMN facet_contrasts."ratio" IS 'share / base_rate; the same with a and b exchanged.';
COMMENT ON COLUMN facet_contrasts."ci_low" IS 'Lower end of the interval, three digits.';
COMMENT ON COLUMN facet_contrasts."ci_high" IS 'Upper end of the interval, three digits.';
COMMENT ON COLUMN facet_contrasts."p_value" IS 'Two-sided, of a ratio of 1; three digits.';
COMMENT ON COLUMN facet_contrasts."q_value" IS 'Benjamini-Hochberg''s, over the whole table; three digits.';

COMMENT ON TABLE concern_quadrants IS 'Concern of each cluster against a flag that the data brings along, such as a moderation classifier''s.';
COMMENT ON COLUMN concern_quadrants."cluster_id" IS 'Cluster, as in `clusters`.';
COMMENT ON COLUMN concern_quadrants."level" IS 'Height of the cluster in the tree: 0 is the finest level.';
COMMENT ON COLUMN concern_quadrants."users" IS 'Distinct users of the cluster.';
COMMENT ON COLUMN concern_quadrants."conversations" IS 'Conversations in the cluster.';
COMMENT ON COLUMN concern_quadrants."share_concerning" IS 'Share of elevated or high concern; null where partly withheld.';
COMMENT ON COLUMN concern_quadrants."concerning_ci_low" IS 'Lower end of its 95 % interval, three digits.';
COMMENT ON COLUMN concern_quadrants."concerning_ci_high" IS 'Upper end of its 95 % interval, three digits.';
COMMENT ON COLUMN concern_quadrants."share_flagged" IS 'Share that is flagged; null where it is withheld.';
COMMENT ON COLUMN concern_quadrants."flagged_ci_low" IS 'Lower end of its 95 % interval, three digits.';
COMMENT ON COLUMN concern_quadrants."flagged_ci_high" IS 'Upper end of its 95 % interval, three digits.';
COMMENT ON COLUMN concern_quadrants."quadrant" IS 'Both shares against the whole release: agree_high, agree_low, over_trigger (flagged much, little concern), under_trigger (concern, little flagged), undecided.';

COMMENT ON TABLE comparison_report IS 'What was compared and found: trends, contrasts, concern against the flag, bursts, in figures alone.';
COMMENT ON COLUMN comparison_report."scope" IS 'What the figure is about.';
COMMENT ON COLUMN comparison_report."measure" IS 'Name of the figure.';
COMMENT ON COLUMN comparison_report."value" IS 'The figure; null where it is too small to be told.';
COMMENT ON COLUMN comparison_report."explanation" IS 'What the figure means.';

COMMENT ON TABLE run_log IS 'Steps that produced the published tables: rows in and out, seconds, code version.';
COMMENT ON COLUMN run_log."run_id" IS 'Run of the pipeline that the step belonged to.';
COMMENT ON COLUMN run_log."stage" IS 'Step of the pipeline.';
COMMENT ON COLUMN run_log."batch" IS 'Batch that the step worked on; null for the whole.';
COMMENT ON COLUMN run_log."rows_in" IS 'Rows read; to two digits where a model left conversations unread.';
COMMENT ON COLUMN run_log."rows_out" IS 'Rows written, told as rows_in is.';
COMMENT ON COLUMN run_log."seconds" IS 'Wall time of the step.';
COMMENT ON COLUMN run_log."model_calls" IS 'Calls of language models, to the nearest ten or two digits, and so are tokens and cost; null without a model, where few rows stand behind it, or where they changed.';
COMMENT ON COLUMN run_log."cached_calls" IS 'Answers that were known already and cost nothing, rounded.';
COMMENT ON COLUMN run_log."input_tokens" IS 'Tokens of the prompts, rounded.';
COMMENT ON COLUMN run_log."output_tokens" IS 'Tokens of the answers, rounded.';
COMMENT ON COLUMN run_log."cost" IS 'US dollars at the prices in the settings, two digits; null where there is none.';
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
COMMENT ON COLUMN privacy_ledger."unit" IS 'Whose presence is protected: a user''s, or only a conversation''s where any file was added so.';
COMMENT ON COLUMN privacy_ledger."epsilon_spent" IS 'Epsilon spent by this and all earlier releases.';
COMMENT ON COLUMN privacy_ledger."delta_spent" IS 'Delta spent by this and all earlier releases.';
