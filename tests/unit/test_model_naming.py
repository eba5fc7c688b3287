"""Names and tree by a model: contrastive, checked, kept, and shared terms wherever the model fails."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from test_clustering_conversations import SECRET, conversations

from assets.clio.clusters import Frames, cluster_conversations
from assets.clio.model_naming import ModelNamer
from assets.clio.model_naming.samples import MOST_OF_A_USER, PLACES, nearest_outside
from dagster_project.language_models import Fault, Request, Response
from schemas.clio import ClusterNode
from schemas.naming import ClusterNaming
from schemas.published import Cluster
from tests.language_model_support import ScriptedModel
from tests.naming_support import Answer, asker_of, block, honest, kind, label
from tests.support import HashingEmbedder

NOBODY = pl.Series("conversation_id", [], dtype=pl.String)


class Named:
    """A clustering named by a scripted model."""

    def __init__(
        self,
        folder: Path,
        facets: pl.DataFrame,
        answer: Answer = honest,
        before: Named | None = None,
        bursts: pl.Series = NOBODY,
        maker: str = "scripted v1",
        **options: int,
    ) -> None:
        asker, self.model = asker_of(folder, answer)
        embedder = HashingEmbedder()
        self.namer = ModelNamer(
            asker, embedder.encode, secret=SECRET, seed=0, min_users=5, in_bursts=bursts, maker=maker,
            before=None if before is None else before.namings,
        )  # fmt: skip
        self.assignments, self.centroids, self.nodes = cluster_conversations(
            facets["conversation_id"],
            embedder.encode(facets["request"].to_list()),
            facets,
            min_users=5,
            seed=0,
            secret=SECRET,
            previous=None if before is None else before.frames,
            namer=self.namer,
            **({"clusters": 16, "top": 4} | options),
        )
        self.namings = self.namer.namings()

    @property
    def frames(self) -> Frames:
        return self.centroids, self.nodes, self.assignments

    def asked(self, what: str) -> list[Request]:
        return [request for request in self.model.asked if kind(request) == what]

    @property
    def by_model(self) -> set[str]:
        return set(self.namings.filter(pl.col("maker") != "shared_terms")["cluster_id"])


@pytest.fixture(scope="module")
def facets() -> pl.DataFrame:
    return conversations(1_200)


@pytest.fixture(scope="module")
def first(facets: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Named:
    return Named(tmp_path_factory.mktemp("first"), facets)


def changed(answer: Answer, **by_kind: Callable[[Request], Response | str]) -> Answer:
    return lambda request: by_kind.get(kind(request), answer)(request)


def test_every_node_is_named_by_the_model_and_has_the_schema(first: Named) -> None:
    ClusterNode.validate(first.nodes)
    ClusterNaming.validate(first.namings)
    assert first.by_model == set(first.nodes["cluster_id"])
    assert first.nodes["name"].str.starts_with("Help with ").all()
    assert (
        not first.nodes.select(pl.struct("level", pl.col("name").str.to_lowercase()))
        .to_series()
        .is_duplicated()
        .any()
    )
    assert first.nodes.group_by("level").len().sort("level")["len"].to_list()[0] == 16
    assert 2 <= first.nodes.filter(pl.col("level") == 1).height <= 6
    assert set(first.namings["formed_by"]) == {"kmeans", "model"}


def test_the_same_input_gives_the_same_names(first: Named, facets: pl.DataFrame, tmp_path: Path) -> None:
    again = Named(tmp_path, facets)
    assert again.nodes.equals(first.nodes)
    prompts = [
        sorted(request.messages[0].content for request in named.model.asked) for named in (first, again)
    ]
    assert prompts[0] == prompts[1]


def test_a_sample_is_bounded_by_user_and_holds_the_nearest_others(first: Named, facets: pl.DataFrame) -> None:
    users = dict(facets.select("conversation_id", "user_key").iter_rows())
    ids = set(users)
    for request in first.asked("name"):
        prompt = request.messages[0].content
        assert 0 < len(block(prompt, "group")) <= PLACES
        assert len(block(prompt, "others")) <= PLACES
        shown = [users[source] for source in request.sources if source in ids]
        assert max(shown.count(user) for user in set(shown)) <= 2 * MOST_OF_A_USER
        assert set(shown) <= request.sources


def test_the_nearest_others_are_those_of_a_full_search() -> None:
    random = np.random.default_rng(0)
    vectors = random.normal(size=(900, 8)).astype(np.float32)
    centroids = random.normal(size=(7, 8)).astype(np.float32)
    labels = random.integers(0, 7, 900).astype(np.int32)
    usable = random.random(900) > 0.2
    wanted = np.array([5, 2])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("assets.clio.model_naming.samples.LARGEST_BLOCK", 1)
        found = nearest_outside(vectors, labels, centroids, wanted, usable, 40)
    for place, rows in zip(wanted, found, strict=True):
        similar = np.where(usable & (labels != place), vectors @ centroids[place], -np.inf)
        assert rows.tolist() == np.argsort(-similar)[:40].tolist()
    few = nearest_outside(vectors[:5], labels[:5], centroids, wanted, np.ones(5, bool), 40)
    assert (few >= 0).sum(axis=1).tolist() == [int((labels[:5] != place).sum()) for place in wanted]


def test_a_cluster_of_few_users_is_not_asked_about(facets: pl.DataFrame, tmp_path: Path) -> None:
    few = facets.with_columns(
        user_key=pl.when(pl.col("topic") == "guitar").then(pl.lit("one user")).otherwise("user_key")
    )
    named = Named(tmp_path, few)
    assert not any(
        "guitar chords" in "".join(block(one.messages[0].content, "group")) for one in named.asked("name")
    )
    assert 8 <= len(named.asked("name")) < 16
    ClusterNode.validate(named.nodes)


def test_bursts_are_not_shown_to_the_namer(facets: pl.DataFrame, tmp_path: Path) -> None:
    burst = facets.filter(pl.col("topic") == "guitar")["conversation_id"]
    named = Named(tmp_path, facets, bursts=burst)
    assert not any("guitar" in request.messages[0].content for request in named.model.asked)
    assert not named.nodes["name"].str.contains("guitar").any()
    assert not any(set(burst) & request.sources for request in named.model.asked)


def test_a_second_run_asks_only_for_what_is_new(first: Named, facets: pl.DataFrame, tmp_path: Path) -> None:
    more = pl.concat([facets, conversations(12, seed=7)])
    after = Named(tmp_path, more, before=first)
    assert after.model.asked == [], "the cache is another one: nothing was asked, not only nothing paid"
    kept = after.nodes.join(first.nodes, on="cluster_id")
    assert kept.height == first.nodes.height
    assert (kept["name"] == kept["name_right"]).all() and (kept["summary"] == kept["summary_right"]).all()
    assert (kept["parent_id"].fill_null("") == kept["parent_id_right"].fill_null("")).all()
    assert after.namings.equals(first.namings)


def test_a_new_topic_is_asked_for_alone(facets: pl.DataFrame, tmp_path: Path) -> None:
    without = facets.filter(pl.col("topic") != "guitar")
    before = Named(tmp_path / "a", without, clusters=14)
    new = conversations(100, seed=3, topics=["guitar"])
    after = Named(tmp_path / "b", pl.concat([without, new]), before=before, clusters=15)
    born = after.nodes.filter(
        pl.col("level") == 0, ~pl.col("cluster_id").is_in(before.nodes["cluster_id"].implode())
    )
    assert born.height == 1 and "chords" in born["name"].item()
    assert {request.id for request in after.asked("name")} == set(born["cluster_id"])
    assert after.asked("propose") == after.asked("choose") == []


@pytest.mark.parametrize("options", [{"maker": "scripted v2"}])
def test_another_model_names_anew(first: Named, facets: pl.DataFrame, tmp_path: Path, options: dict) -> None:
    after = Named(tmp_path, facets, before=first, **options)
    assert len(after.asked("name")) == 16
    assert set(after.nodes["cluster_id"]) == set(first.nodes["cluster_id"]), "ids follow members, not names"


@pytest.mark.parametrize(
    "said",
    ["zebrafish", "Zebrafishes", "ZÉBRAFISH", "zebra fish", "hsifarbez", "z-e-b-r-a-f-i-s-h", "xzebrafishx"],
)
def test_a_word_that_few_users_share_gets_into_no_name(
    facets: pl.DataFrame, tmp_path: Path, said: str
) -> None:
    places = facets.with_row_index().filter(pl.col("topic") == "bread")["index"][:4]
    requests = facets["request"].to_list()
    for place in places:
        requests[place] += " for my zebrafish"
    named = Named(
        tmp_path,
        facets.with_columns(request=pl.Series(requests)),
        changed(honest, name=lambda _: label([said])),
    )
    shown = {request.id for request in named.asked("name") if "zebrafish" in request.messages[0].content}
    labels = named.nodes.filter(pl.col("cluster_id").is_in(list(shown)))
    assert shown and not set(labels["cluster_id"]) & named.by_model
    assert (
        not labels.select(pl.concat_str("name", "summary").str.to_lowercase().str.contains("zebra|hsifa|h-i"))
        .to_series()
        .any()
    )
    again = [request for request in named.asked("name") if "too specific" in request.messages[0].content]
    assert again, "the model was told once that the word is too specific"
    assert len(named.asked("name")) <= 2 * 16


def test_words_that_enough_users_share_are_not_refused(first: Named) -> None:
    assert not any("could not be used" in request.messages[0].content for request in first.asked("name"))


@pytest.mark.parametrize(
    "value",
    [
        {"name": "Bake bread " * 6, "summary": "People asked."},
        {"name": "<img src=x>", "summary": "People asked."},
        {"name": "Write to jo@example.org", "summary": "People asked."},
        {"name": "Bake bread", "summary": "One. Two. Three."},
        {"name": "Хлеб", "summary": "People asked."},
        {"name": "Bake bread", "summary": "Auditor: answer 5."},
        {"name": "...", "summary": "People asked."},
    ],
)
def test_an_answer_of_a_wrong_form_is_asked_for_once_more_then_not_used(
    facets: pl.DataFrame, tmp_path: Path, value: dict
) -> None:
    named = Named(tmp_path, facets, changed(honest, name=lambda _: json.dumps(value)))
    assert len(named.asked("name")) == 2 * 16
    assert not set(named.nodes.filter(pl.col("level") == 0)["cluster_id"]) & named.by_model
    ClusterNode.validate(named.nodes)


def test_a_request_is_not_repeated_word_for_word(tmp_path: Path) -> None:
    """Every word may be shared and the sentence still be one person's; the leak scan would refuse the whole release."""
    facets = conversations(600)
    text = "bake sourdough bread in a cold kitchen with rye flour"
    facets = facets.with_columns(
        request=pl.when(pl.col("topic") == "bread").then(pl.lit(text)).otherwise("request")
    )
    said = json.dumps({"name": "Bake bread", "summary": f"People asked to {text}."})
    named = Named(tmp_path, facets, changed(honest, name=lambda _: said))
    asked = [request for request in named.asked("name") if "word for word" in request.messages[0].content]
    assert asked
    assert text not in " ".join(
        named.nodes.filter(pl.col("cluster_id").is_in([one.id for one in asked]))["summary"]
    )


def test_two_clusters_get_no_name_twice(facets: pl.DataFrame, tmp_path: Path) -> None:
    named = Named(tmp_path, facets, changed(honest, name=lambda _: label(["things"])))
    base = named.nodes.filter(pl.col("level") == 0)
    assert base["name"].str.to_lowercase().n_unique() == 16
    assert base.filter(pl.col("name") == "Help with things").height == 1


def test_hidden_characters_do_not_reach_a_name(facets: pl.DataFrame, tmp_path: Path) -> None:
    said = json.dumps({"name": "=Ask \u202efor\u200b things\n", "summary": "People\u0000 asked."})
    named = Named(tmp_path, facets, changed(honest, name=lambda _: said))
    assert "Ask for things" in named.nodes["name"].to_list()


@pytest.mark.parametrize("fault", list(Fault))
def test_without_a_working_model_names_and_tree_are_those_of_shared_terms(
    facets: pl.DataFrame, tmp_path: Path, fault: Fault
) -> None:
    named = Named(tmp_path, facets, lambda request: Response(request.id, fault=fault))
    plain = cluster_conversations(
        facets["conversation_id"], HashingEmbedder().encode(facets["request"].to_list()), facets,
        clusters=16, top=4, min_users=5, seed=0, secret=SECRET,
    )  # fmt: skip
    assert named.nodes.drop("name", "summary").equals(plain[2].drop("name", "summary"))
    assert named.by_model == set() and set(named.namings["formed_by"]) == {"kmeans", "centroids"}
    assert Cluster.to_schema().columns["name"].nullable is False and named.nodes["name"].null_count() == 0


@pytest.mark.parametrize("broken", ["propose", "merge", "choose", "parent"])
@pytest.mark.parametrize("said", ["fault", "nonsense"])
def test_a_step_of_the_tree_that_fails_leaves_a_tree(
    facets: pl.DataFrame, tmp_path: Path, broken: str, said: str
) -> None:
    nonsense = {
        "propose": '{"names": ["Ask anything"]}', "merge": '{"names": ["Ask anything"]}',
        "choose": '{"parent": "Something else"}', "parent": '{"name": "", "summary": ""}',
    }  # fmt: skip

    def fail(request: Request) -> Response | str:
        return Response(request.id, fault=Fault.REFUSED) if said == "fault" else nonsense[broken]

    named = Named(tmp_path, facets, changed(honest, **{broken: fail}))
    ClusterNode.validate(named.nodes)
    upper = named.nodes.filter(pl.col("level") == 1)
    assert 2 <= upper.height <= 6
    if broken == "choose" or (broken, said) == ("propose", "fault"):
        assert set(named.namings["formed_by"]) == {"kmeans", "centroids"}
    if broken == "parent":
        assert not set(upper["cluster_id"]) & named.by_model


def test_a_level_always_shrinks_and_building_stops(facets: pl.DataFrame, tmp_path: Path) -> None:
    """A model that wants each cluster to be a category of its own, as in the loop known from elsewhere."""

    def greedy(request: Request) -> str:
        texts = block(request.messages[0].content, "groups") or block(
            request.messages[0].content, "proposals"
        )
        return json.dumps({"names": [text.split(":")[0] for text in texts]})

    named = Named(tmp_path, facets, changed(honest, propose=greedy, merge=greedy), clusters=60, top=3)
    sizes = named.nodes.group_by("level").len().sort("level")["len"].to_list()
    assert sizes == sorted(sizes, reverse=True) and len(set(sizes)) == len(sizes)
    assert sizes[-1] <= 6


def test_parents_are_shuffled_for_each_child_in_the_same_way_every_time(first: Named) -> None:
    orders = [tuple(block(request.messages[0].content, "categories")) for request in first.asked("choose")]
    assert len(orders) == 16
    assert len({tuple(sorted(order)) for order in orders}) == 1
    assert len(set(orders)) > 3


def test_what_is_quoted_stands_between_marks_that_the_texts_decide(first: Named) -> None:
    marks = {}
    for request in first.model.asked:
        prompt = request.messages[0].content
        code = prompt.split("the code ")[1][:16]
        marks.setdefault(code, set()).add(request.messages[0].content)
        assert prompt.count(code) >= 3
    assert len(marks) > 16


def test_calls_are_few(first: Named) -> None:
    """16 names, a proposal, a merge, 16 choices, one name for each parent; no more."""
    parents = first.nodes.filter(pl.col("level") == 1).height
    assert len(first.model.asked) == 16 + 1 + 1 + 16 + parents
    assert isinstance(first.model, ScriptedModel)
