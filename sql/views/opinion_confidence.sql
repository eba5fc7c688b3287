CREATE VIEW opinion_confidence AS
SELECT
    subject,
    dataset,
    condition,
    weighting,
    max(estimate) FILTER (metric = 'refused') AS refused,
    max(ci_low) FILTER (metric = 'refused') AS refused_low,
    max(ci_high) FILTER (metric = 'refused') AS refused_high,
    max(estimate) FILTER (metric = 'missing_mass') AS missing_mass,
    max(estimate) FILTER (metric = 'half_missing') AS half_missing,
    max(estimate) FILTER (metric = 'entropy') AS entropy,
    max(estimate) FILTER (metric = 'human_entropy') AS human_entropy,
    max(estimate) FILTER (metric = 'overconfidence') AS overconfidence,
    max(ci_low) FILTER (metric = 'overconfidence') AS overconfidence_low,
    max(ci_high) FILTER (metric = 'overconfidence') AS overconfidence_high,
    max(n) FILTER (metric = 'entropy') AS questions,
    max(missing) FILTER (metric = 'refused') AS missing
FROM eval_metrics
WHERE suite = 'global_opinions' AND "group" IS NULL
GROUP BY subject, dataset, condition, weighting
ORDER BY subject, dataset <> 'all', dataset, condition <> 'default', condition, weighting;

COMMENT ON VIEW opinion_confidence IS 'How far the similarities of a subject may be trusted: what it refused, how much of its probability is on no option, and how much surer it is than people.';
COMMENT ON COLUMN opinion_confidence.subject IS 'Subject model.';
COMMENT ON COLUMN opinion_confidence.dataset IS 'Survey, such as GAS or WVS; all: all of them.';
COMMENT ON COLUMN opinion_confidence.condition IS 'default, country/NAME or language/NAME.';
COMMENT ON COLUMN opinion_confidence.weighting IS 'items: every question counts once; usage: by the share of real usage that it stands for.';
COMMENT ON COLUMN opinion_confidence.refused IS 'Share of answers that refuse or name no option.';
COMMENT ON COLUMN opinion_confidence.refused_low IS 'Lower end of its 95 % interval.';
COMMENT ON COLUMN opinion_confidence.refused_high IS 'Upper end of its 95 % interval.';
COMMENT ON COLUMN opinion_confidence.missing_mass IS 'Mean probability of none of the options.';
COMMENT ON COLUMN opinion_confidence.half_missing IS 'Share of questions with more than half of the probability on none of them.';
COMMENT ON COLUMN opinion_confidence.entropy IS 'Mean entropy of the subject''s answers in bits.';
COMMENT ON COLUMN opinion_confidence.human_entropy IS 'Mean entropy of people''s answers in bits.';
COMMENT ON COLUMN opinion_confidence.overconfidence IS 'The latter less the former: above 0 the subject is surer than people agree.';
COMMENT ON COLUMN opinion_confidence.overconfidence_low IS 'Lower end of its 95 % interval.';
COMMENT ON COLUMN opinion_confidence.overconfidence_high IS 'Upper end of its 95 % interval.';
COMMENT ON COLUMN opinion_confidence.questions IS 'Questions that can be scored.';
COMMENT ON COLUMN opinion_confidence.missing IS 'Answers left out: refused, unparseable or not given.';
