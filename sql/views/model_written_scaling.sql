CREATE VIEW model_written_scaling AS
SELECT
    slopes.dataset,
    slopes.condition,
    slopes.weighting,
    slopes."group" AS axis,
    slopes.level AS held,
    slopes.estimate AS slope,
    slopes.ci_low AS slope_low,
    slopes.ci_high AS slope_high,
    CASE
        WHEN slopes.ci_low IS NULL OR signed.metric IS NULL OR slopes.units < 5 THEN NULL
        WHEN signed.ci_low > 0 THEN 'worse'
        WHEN signed.ci_high < 0 THEN 'better'
        ELSE 'undecided'
    END AS with_scale,
    slopes.n AS answers,
    slopes.units,
    slopes.missing
FROM (SELECT * FROM eval_metrics WHERE metric = 'match_rate_slope') AS slopes
LEFT JOIN (SELECT * FROM eval_metrics WHERE metric = 'inverse_scaling') AS signed
    ON signed.suite = slopes.suite
    AND signed.dataset = slopes.dataset
    AND signed.condition = slopes.condition
    AND signed.weighting = slopes.weighting
    AND signed."group" = slopes."group"
    AND signed.level IS NOT DISTINCT FROM slopes.level
WHERE slopes.suite = 'model_written'
ORDER BY with_scale = 'worse' DESC NULLS LAST, slopes.dataset, slopes.condition, axis, held, slopes.weighting;

COMMENT ON VIEW model_written_scaling IS 'How the rate of each behaviour changes over subjects that differ in size or in training alone, those first that get worse. One in forty behaviours that do not change is shown as worse by chance.';
COMMENT ON COLUMN model_written_scaling.dataset IS 'Behaviour, or released file.';
COMMENT ON COLUMN model_written_scaling.condition IS 'How it was asked.';
COMMENT ON COLUMN model_written_scaling.weighting IS 'items: every item counts once; usage: by the share of real usage that it stands for.';
COMMENT ON COLUMN model_written_scaling.axis IS 'What the subjects differ in: parameters or rl_steps.';
COMMENT ON COLUMN model_written_scaling.held IS 'What they share; null where it is not known.';
COMMENT ON COLUMN model_written_scaling.slope IS 'Change of the rate for ten times the parameters, or for one step of reinforcement learning.';
COMMENT ON COLUMN model_written_scaling.slope_low IS 'Lower end of its 95 % interval over items.';
COMMENT ON COLUMN model_written_scaling.slope_high IS 'Upper end of its 95 % interval over items.';
COMMENT ON COLUMN model_written_scaling.with_scale IS 'worse, better or undecided, by whether more of the behaviour is wanted; null where it is neither, or with fewer than five units.';
COMMENT ON COLUMN model_written_scaling.answers IS 'Answers that the slope rests on.';
COMMENT ON COLUMN model_written_scaling.units IS 'Independent units among them.';
COMMENT ON COLUMN model_written_scaling.missing IS 'Answers left out, over all subjects.';
