CREATE VIEW opinion_question_ranks AS
SELECT
    subject,
    dataset,
    condition,
    question_id,
    row_number() OVER most AS most_similar_rank,
    row_number() OVER least AS least_similar_rank,
    similarity,
    ordinal_similarity,
    countries,
    most_similar,
    most_similarity,
    least_similar,
    least_similarity,
    entropy,
    human_entropy,
    entropy < human_entropy AS surer_than_people,
    missing_mass,
    usage
FROM opinion_questions
WINDOW
    most AS (PARTITION BY subject, condition ORDER BY similarity DESC, question_id),
    least AS (PARTITION BY subject, condition ORDER BY similarity, question_id)
ORDER BY subject, condition <> 'default', condition, most_similar_rank;

COMMENT ON VIEW opinion_question_ranks IS 'The survey questions that each subject answers most and least like people. Their text is in the file of the suite''s items, under the same id.';
COMMENT ON COLUMN opinion_question_ranks.subject IS 'Subject model.';
COMMENT ON COLUMN opinion_question_ranks.dataset IS 'Survey, such as GAS or WVS.';
COMMENT ON COLUMN opinion_question_ranks.condition IS 'default, country/NAME or language/NAME.';
COMMENT ON COLUMN opinion_question_ranks.question_id IS 'Question, the same under every condition.';
COMMENT ON COLUMN opinion_question_ranks.most_similar_rank IS 'Rank by similarity, 1 the question that is answered most like people.';
COMMENT ON COLUMN opinion_question_ranks.least_similar_rank IS 'Rank from the other end, 1 the question that is answered least like people.';
COMMENT ON COLUMN opinion_question_ranks.similarity IS '1 - Jensen-Shannon distance in base 2, mean over countries.';
COMMENT ON COLUMN opinion_question_ranks.ordinal_similarity IS '1 - earth mover''s distance, mean over countries; null where the options are on no scale.';
COMMENT ON COLUMN opinion_question_ranks.countries IS 'Countries whose people answered it.';
COMMENT ON COLUMN opinion_question_ranks.most_similar IS 'Country whose people answer most like the subject.';
COMMENT ON COLUMN opinion_question_ranks.most_similarity IS 'Its similarity.';
COMMENT ON COLUMN opinion_question_ranks.least_similar IS 'Country whose people answer least like the subject.';
COMMENT ON COLUMN opinion_question_ranks.least_similarity IS 'Its similarity.';
COMMENT ON COLUMN opinion_question_ranks.entropy IS 'Entropy of the subject''s answer in bits.';
COMMENT ON COLUMN opinion_question_ranks.human_entropy IS 'Entropy of people''s answers in bits, mean over countries.';
COMMENT ON COLUMN opinion_question_ranks.surer_than_people IS 'Whether the subject is surer of its answer than people of a country agree on one.';
COMMENT ON COLUMN opinion_question_ranks.missing_mass IS 'Probability of none of the options.';
COMMENT ON COLUMN opinion_question_ranks.usage IS 'Share of real usage that the question stands for; 0 where none is near.';
