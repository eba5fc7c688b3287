"""What a conversation is about, read from its redacted text.

Without a model: `language`, `request`, `task`, `concern`, `gloss`, `prototypes`. By one: `questions` (what is asked), `fitting`
(how much is shown), `distrust` (what is taken out before and after), `asking` (the stream of requests and answers)."""
