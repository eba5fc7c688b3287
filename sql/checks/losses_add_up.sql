-- Every answer that cannot be scored, and every item that was never asked, is lost for a reason.
WITH lost AS (
    SELECT suite, subject, dataset, condition,
        coalesce(sum(answers) FILTER (reason <> 'unasked'), 0) AS answers,
        coalesce(sum(answers) FILTER (reason = 'unasked'), 0) AS unasked
    FROM eval_losses
    GROUP BY ALL
),
told AS (
    SELECT suite, subject, dataset, condition, sum(answers - answered) AS answers, max(unasked) AS unasked
    FROM eval_suites
    GROUP BY ALL
)
SELECT suite, subject, dataset, condition
FROM told
FULL JOIN lost USING (suite, subject, dataset, condition)
WHERE coalesce(told.answers, -1) <> coalesce(lost.answers, 0) OR coalesce(told.unasked, -1) <> coalesce(lost.unasked, 0)
