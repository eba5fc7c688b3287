"""The room of global opinions (arXiv 2306.16388): whose answers to survey questions a model's answers are most like.

Assets: the tables of the suite `global_opinions`, `human_opinions` and `opinion_questions`. Pure modules: `released` (what people
answered), `scales`, `translations` and `items` (what is asked), `opinions`, `scores` and `questions` (what the answers amount to),
`picture` (the map)."""
