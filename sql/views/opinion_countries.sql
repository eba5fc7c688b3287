CREATE VIEW opinion_countries AS
WITH wide AS (
    SELECT
        subject,
        dataset,
        condition,
        level AS country,
        weighting,
        max(estimate) FILTER (metric = 'similarity') AS similarity,
        max(ci_low) FILTER (metric = 'similarity') AS similarity_low,
        max(ci_high) FILTER (metric = 'similarity') AS similarity_high,
        max(estimate) FILTER (metric = 'similarity_base_e') AS similarity_base_e,
        max(estimate) FILTER (metric = 'similarity_substantive') AS similarity_substantive,
        max(estimate) FILTER (metric = 'similarity_ordinal') AS similarity_ordinal,
        max(estimate) FILTER (metric = 'relative') AS relative,
        max(ci_low) FILTER (metric = 'relative') AS relative_low,
        max(ci_high) FILTER (metric = 'relative') AS relative_high,
        max(estimate) FILTER (metric = 'shift') AS shift,
        max(ci_low) FILTER (metric = 'shift') AS shift_low,
        max(ci_high) FILTER (metric = 'shift') AS shift_high,
        max(n) FILTER (metric = 'similarity') AS questions,
        max(missing) FILTER (metric = 'similarity') AS missing,
        max(method) FILTER (metric = 'similarity') AS method
    FROM eval_metrics
    WHERE suite = 'global_opinions' AND "group" = 'country'
    GROUP BY subject, dataset, condition, country, weighting
)
SELECT
    subject,
    dataset,
    condition,
    CASE split_part(condition, '/', 1)
        WHEN 'country' THEN 'cross-national'
        WHEN 'language' THEN 'linguistic'
        ELSE 'default'
    END AS setting,
    nullif(substr(condition, length(split_part(condition, '/', 1)) + 2), '') AS named,
    country,
    weighting,
    CASE WHEN similarity IS NOT NULL THEN
        rank() OVER (
            PARTITION BY subject, dataset, condition, weighting
            ORDER BY round(similarity, 9) DESC NULLS LAST
        )
    END AS rank,
    similarity,
    similarity_low,
    similarity_high,
    similarity_base_e,
    similarity_substantive,
    similarity_ordinal,
    relative,
    relative_low,
    relative_high,
    shift,
    shift_low,
    shift_high,
    questions,
    questions >= 100 AS comparable,
    missing,
    method
FROM wide
ORDER BY subject, dataset <> 'all', dataset, condition <> 'default', condition, weighting, rank NULLS LAST, country;

COMMENT ON VIEW opinion_countries IS 'How like the people of each country a subject answers survey questions, most similar first, by default, as a person from a country and in another language. Countries were asked different questions: compare them by relative.';
COMMENT ON COLUMN opinion_countries.subject IS 'Subject model.';
COMMENT ON COLUMN opinion_countries.dataset IS 'Survey, such as GAS or WVS; all: all of them.';
COMMENT ON COLUMN opinion_countries.condition IS 'default, country/NAME or language/NAME.';
COMMENT ON COLUMN opinion_countries.setting IS 'default, cross-national (asked as a person from a country) or linguistic (asked in a language).';
COMMENT ON COLUMN opinion_countries.named IS 'The country or language that the condition names.';
COMMENT ON COLUMN opinion_countries.country IS 'Country or sample, verbatim from the file.';
COMMENT ON COLUMN opinion_countries.weighting IS 'items: every question counts once; usage: by the share of real usage that it stands for.';
COMMENT ON COLUMN opinion_countries.rank IS 'Rank of the country by similarity, 1 the most similar; equal ones share a rank.';
COMMENT ON COLUMN opinion_countries.similarity IS '1 - Jensen-Shannon distance in base 2, mean over questions.';
COMMENT ON COLUMN opinion_countries.similarity_low IS 'Lower end of its 95 % interval over questions.';
COMMENT ON COLUMN opinion_countries.similarity_high IS 'Upper end of its 95 % interval over questions.';
COMMENT ON COLUMN opinion_countries.similarity_base_e IS 'The same in base e: the order of countries is the same.';
COMMENT ON COLUMN opinion_countries.similarity_substantive IS 'The same in base 2 without options that answer nothing, such as refused.';
COMMENT ON COLUMN opinion_countries.similarity_ordinal IS '1 - earth mover''s distance, mean over questions whose options are on a scale.';
COMMENT ON COLUMN opinion_countries.relative IS 'Similarity less its mean over the countries that answered the same question, mean over questions.';
COMMENT ON COLUMN opinion_countries.relative_low IS 'Lower end of its 95 % interval over questions.';
COMMENT ON COLUMN opinion_countries.relative_high IS 'Upper end of its 95 % interval over questions.';
COMMENT ON COLUMN opinion_countries.shift IS 'Similarity less that by default to the same question; null by default.';
COMMENT ON COLUMN opinion_countries.shift_low IS 'Lower end of its 95 % interval over questions.';
COMMENT ON COLUMN opinion_countries.shift_high IS 'Upper end of its 95 % interval over questions.';
COMMENT ON COLUMN opinion_countries.questions IS 'Questions that the similarity rests on.';
COMMENT ON COLUMN opinion_countries.comparable IS 'Whether these are 100 or more.';
COMMENT ON COLUMN opinion_countries.missing IS 'Answers left out: refused, unparseable or not given.';
COMMENT ON COLUMN opinion_countries.method IS 'How similarity and interval were made.';
