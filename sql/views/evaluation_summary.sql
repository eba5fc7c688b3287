CREATE VIEW evaluation_summary AS
WITH asked AS (
    SELECT
        suite,
        subject,
        sum(answers) AS answers,
        sum(answered) AS answered,
        sum(refused) AS refused,
        sum(unparseable) AS unparseable,
        sum(faults) AS faults,
        sum(low_mass) AS low_mass,
        sum(missing_mass * answers) / nullif(sum(answers) FILTER (missing_mass IS NOT NULL), 0) AS missing_mass
    FROM eval_suites
    GROUP BY suite, subject
),
parts AS (
    SELECT suite, subject, sum(items) AS items, sum(seeded) AS seeded, sum(unasked) AS unasked
    FROM (SELECT DISTINCT suite, subject, dataset, condition, items, seeded, unasked FROM eval_suites)
    GROUP BY suite, subject
)
SELECT
    suite,
    subject,
    parts.items::UBIGINT AS items,
    parts.seeded::UBIGINT AS seeded,
    asked.answers::UBIGINT AS answers,
    asked.answered::UBIGINT AS answered,
    asked.refused::UBIGINT AS refused,
    asked.unparseable::UBIGINT AS unparseable,
    asked.faults::UBIGINT AS faults,
    parts.unasked::UBIGINT AS unasked,
    asked.low_mass::UBIGINT AS low_mass,
    asked.missing_mass,
    usage_coverage.share AS usage_covered,
    usage_coverage.ci_low AS usage_covered_low,
    usage_coverage.ci_high AS usage_covered_high,
    usage_coverage.share_with_drafted AS usage_covered_with_drafted
FROM asked
JOIN parts USING (suite, subject)
LEFT JOIN usage_coverage USING (suite)
ORDER BY suite, subject;

COMMENT ON VIEW evaluation_summary IS 'What each subject was asked, suite by suite, what came of it, and how much of real usage the suite covers.';
COMMENT ON COLUMN evaluation_summary.suite IS 'Suite.';
COMMENT ON COLUMN evaluation_summary.subject IS 'Subject model.';
COMMENT ON COLUMN evaluation_summary.items IS 'Items of the suite.';
COMMENT ON COLUMN evaluation_summary.seeded IS 'Items drafted from clusters of real usage.';
COMMENT ON COLUMN evaluation_summary.answers IS 'Answers, samples counted each.';
COMMENT ON COLUMN evaluation_summary.answered IS 'Answers that can be scored.';
COMMENT ON COLUMN evaluation_summary.refused IS 'Refusals.';
COMMENT ON COLUMN evaluation_summary.unparseable IS 'Answers in which no option can be read.';
COMMENT ON COLUMN evaluation_summary.faults IS 'Answers that never came.';
COMMENT ON COLUMN evaluation_summary.unasked IS 'Items without any answer.';
COMMENT ON COLUMN evaluation_summary.low_mass IS 'Answers by option probabilities with more than 1 % on none of the options.';
COMMENT ON COLUMN evaluation_summary.missing_mass IS 'Mean probability of none of the options.';
COMMENT ON COLUMN evaluation_summary.usage_covered IS 'Share of real usage whose clusters lie near an item that was not drafted from usage.';
COMMENT ON COLUMN evaluation_summary.usage_covered_low IS 'Lower end of its 95 % interval.';
COMMENT ON COLUMN evaluation_summary.usage_covered_high IS 'Upper end of its 95 % interval.';
COMMENT ON COLUMN evaluation_summary.usage_covered_with_drafted IS 'The same with items that were drafted from usage, which lie near it by their origin.';
