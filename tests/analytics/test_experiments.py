"""What an experiment says, against published examples and against simulated campaigns."""

import csv
import io
import json

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from analytics.charts.rates import Rate
from analytics.experiments.analysis import Trial, analyse
from analytics.experiments.checks import assumed_split, benjamini_hochberg, sample_ratio
from analytics.experiments.cuped import adjust
from analytics.experiments.effects import effect, newcombe, rate_lift
from analytics.experiments.samples import Sample
from analytics.experiments.sequential import always_valid, boundaries, crossing_probability

CAMPAIGNS = 500
PEOPLE = 2_000  # In each arm.
BASE = 0.1


def trial(arm, outcome, covariate=None, names=("control", "treatment")):
    covariates = {} if covariate is None else {"before": covariate}
    return Trial(names, True, arm, {"ordered": outcome}, covariates)


def within(successes: int, rate: float, tries: int = CAMPAIGNS) -> bool:
    """No further from the nominal count than three standard deviations."""
    return abs(successes - rate * tries) <= 3 * (tries * rate * (1 - rate)) ** 0.5


def test_the_interval_of_a_difference_equals_newcombes_published_example():
    found = newcombe(Rate(56, 70), Rate(48, 80))
    assert (round(found.low, 4), round(found.high, 4)) == (0.0524, 0.3339)


def test_fishers_tea_and_a_ratio_by_hand():
    tea = effect(
        Sample.of(np.array([1, 1, 1, 0.0]), is_binary=True),
        Sample.of(np.array([1, 0, 0, 0.0]), is_binary=True),
    )
    assert tea.p_value == pytest.approx(0.48571, abs=1e-5)
    lift = rate_lift(Rate(130, 1000), Rate(100, 1000))
    assert lift.value == pytest.approx(0.3)
    assert (lift.low, lift.high) == pytest.approx((0.01700, 0.66176), abs=1e-4)


def test_a_control_without_events_has_no_ratio():
    assert rate_lift(Rate(3, 50), Rate(0, 50)) is None


@pytest.mark.parametrize(("shape", "published"), [("obrien-fleming", 2.040), ("pocock", 2.413)])
def test_boundaries_of_five_looks_are_the_published_ones(shape, published):
    assert boundaries(5, shape)[-1] == pytest.approx(published, abs=0.001)


@pytest.mark.parametrize("looks", [1, 2, 10])
def test_boundaries_keep_the_error_they_promise(looks):
    assert crossing_probability(boundaries(looks, "obrien-fleming")) == pytest.approx(
        0.05, abs=1e-6
    )


def test_false_discovery_rates_of_benjamini_and_hochberg():
    found = benjamini_hochberg([0.01, 0.04, 0.03, 0.5])
    assert found == pytest.approx([0.04, 0.16 / 3, 0.16 / 3, 0.5])


def test_lost_people_raise_the_alarm_and_withhold_the_result():
    assert sample_ratio({"control": 10_000, "treatment": 9_300}, None).is_alarm
    arm = np.repeat([0, 1], [10_000, 9_300])
    report = analyse(trial(arm, np.zeros(19_300)))
    assert (report.status, report.results) == ("sample_ratio", ())


def test_without_a_split_the_nearest_usual_one_is_assumed_and_said():
    assert assumed_split({"control": 1_013, "treatment": 8_987}) == pytest.approx(
        {"control": 0.1, "treatment": 0.9}
    )
    assert sample_ratio({"control": 1_013, "treatment": 8_987}, None).is_assumed
    assert not sample_ratio(
        {"control": 9, "treatment": 11}, {"control": 1, "treatment": 1}
    ).is_alarm


def campaigns(effect_of: float, seed: int):
    """(arms, orders, covariates) of simulated campaigns, a tenth of the people order by chance."""
    rng = np.random.default_rng(seed)
    arm = np.repeat([0, 1], PEOPLE)
    for _campaign in range(CAMPAIGNS):
        order = rng.permutation(2 * PEOPLE)
        leaning = rng.normal(size=2 * PEOPLE)
        chance = np.clip(BASE + 0.05 * leaning, 0.0, 1.0) * np.where(arm, 1 + effect_of, 1.0)
        yield arm[order], (rng.random(2 * PEOPLE) < chance).astype(float)[order], leaning[order]


@pytest.mark.parametrize("planted", [0.3, 0.0, -0.1])
def test_planted_effects_are_covered_as_often_as_promised(planted):
    """+30 %, nothing and -10 % over 500 campaigns: 95 % intervals hold the truth 95 % of times."""
    rng = np.random.default_rng(5)
    expected = float(np.clip(BASE + 0.05 * rng.normal(size=2_000_000), 0.0, 1.0).mean())
    hits = dict.fromkeys(["difference", "lift", "cuped"], 0)
    errors, alarms = 0, 0
    for arm, orders, leaning in campaigns(planted, seed=int(100 + 10 * planted)):
        report = analyse(trial(arm, orders, leaning))
        (result,) = report.results
        alarms += report.ratio.is_alarm
        truth = {"difference": planted * expected, "lift": planted, "cuped": planted * expected}
        found = {
            "difference": result.effect.difference,
            "lift": result.effect.lift,
            "cuped": result.cuped.difference,
        }
        for name, interval in found.items():
            hits[name] += interval.low <= truth[name] <= interval.high
        errors += result.verdict != "no_evidence"
    assert all(within(count, 0.95) for count in hits.values()), hits
    assert alarms == 0
    if planted == 0.0:
        assert within(errors, 0.05)
    if planted == 0.3:
        assert errors > 0.8 * CAMPAIGNS


def test_what_was_known_before_narrows_the_interval_by_its_correlation():
    rng = np.random.default_rng(2)
    before = rng.normal(100, 30, 20_000)
    outcome = 0.5 * before + rng.normal(0, 20, 20_000)
    adjusted = adjust(outcome, before[:, None])
    correlation = np.corrcoef(before, outcome)[0, 1]
    assert adjusted.explained == pytest.approx(correlation**2, abs=1e-6)
    assert adjusted.values.var() == pytest.approx(outcome.var() * (1 - correlation**2), rel=1e-6)


def test_a_missing_covariate_is_the_mean_and_a_flag():
    outcome = np.array([1.0, 2.0, 3.0, 4.0, 10.0, 12.0])
    before = np.array([1.0, 2.0, 3.0, 4.0, np.nan, np.nan])
    adjusted = adjust(outcome, before[:, None])
    # The line fits the known exactly, the flag the mean of the missing ones: 10 and 12 keep +-1.
    assert adjusted.values - adjusted.values.mean() == pytest.approx([0, 0, 0, 0, -1, 1], abs=1e-9)


def early_errors(looks: np.ndarray, crossed) -> int:
    """Campaigns without effect that some look calls a success."""
    rng = np.random.default_rng(7)
    wrong = 0
    for _campaign in range(CAMPAIGNS):
        treated, held = (rng.random(looks[-1]) < 0.3 for _arm in range(2))
        arms = [
            [Sample.of(arm[:n].astype(float), is_binary=True) for arm in (treated, held)]
            for n in looks
        ]
        wrong += crossed(arms)
    return wrong


LOOKS = np.arange(400, 4_001, 200)


def test_an_always_valid_interval_may_be_looked_at_all_the_time():
    def crossed(arms) -> bool:
        return any(always_valid(*pair, tau=0.03).difference.excludes_zero for pair in arms)

    assert early_errors(LOOKS, crossed) <= 0.05 * CAMPAIGNS + 15


def test_the_twin_that_looks_at_the_fixed_interval_fools_itself():
    def crossed(arms) -> bool:
        return any(effect(*pair).difference.excludes_zero for pair in arms)

    assert early_errors(LOOKS, crossed) > 0.15 * CAMPAIGNS


def test_planned_looks_keep_the_error():
    limits = boundaries(5, "obrien-fleming")

    def crossed(arms) -> bool:
        scores = [(one.mean - two.mean) / (one.error + two.error) ** 0.5 for one, two in arms]
        return any(abs(z) >= limit for z, limit in zip(scores, limits, strict=True))

    assert within(early_errors(np.arange(800, 4_001, 800), crossed), 0.05)


def test_people_drawn_by_agent_count_as_agents():
    """Orders depend on the agent: by person the interval is far too narrow."""
    rng = np.random.default_rng(3)
    agents = 40
    skill = rng.normal(0, 1, agents)
    arm = np.repeat(np.arange(agents) % 2, 100)
    amounts = np.repeat(skill, 100) + rng.normal(0, 1, agents * 100)
    clusters = np.repeat(np.arange(agents), 100)
    judged = Trial(("control", "treatment"), True, arm, {"paid": amounts}, {}, clusters)
    (result,) = analyse(judged).results
    naive, honest = result.effect.difference, result.clustered
    assert (honest.high - honest.low) > 3 * (naive.high - naive.low)
    assert result.clusters == agents
    assert result.verdict == "no_evidence"


def test_many_results_are_corrected_and_the_primary_one_is_not():
    rng = np.random.default_rng(4)
    arm = np.repeat([0, 1], 500)
    outcomes = {f"o{n}": (rng.random(1_000) < 0.3).astype(float) for n in range(4)}
    report = analyse(Trial(("control", "treatment"), True, arm, outcomes, {}))
    assert report.results[0].q_value is None
    assert all(r.q_value >= r.effect.p_value for r in report.results[1:])


# The command, on files.


def write(path, rows, header=("uid", "arm", "ordered", "before")):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
    return str(path)


def ask(path, **options):
    output = io.StringIO()
    given = {"unit": "uid", "treat": "arm", "outcome": ["ordered"], "json": True} | options
    call_command("experiment", file=str(path), stdout=output, **given)
    return json.loads(output.getvalue())


def people(treated=300, held=300, before=lambda n: n):
    rows = [(f"t{n}", "treatment", int(n % 4 == 0), before(n)) for n in range(treated)]
    return rows + [(f"c{n}", "control", int(n % 5 == 0), before(n)) for n in range(held)]


def test_a_file_is_answered_with_both_arms_difference_lift_and_sample_ratio(tmp_path):
    answer = ask(write(tmp_path / "f.csv", people()), covariate=["before"])
    (result,) = answer["results"]
    assert (result["treatment"]["x"], result["control"]["x"]) == (75, 60)
    assert result["difference"]["value"] == pytest.approx(0.05)
    assert result["lift"]["value"] == pytest.approx(0.25)
    assert result["cuped"]["difference"]["low"] < 0.05 < result["cuped"]["difference"]["high"]
    assert (answer["status"], answer["srm"]["alarm"]) == ("answered", False)


def test_rows_of_one_unit_are_one_and_people_in_both_arms_are_left_out(tmp_path):
    rows = [*people(), ("t1", "treatment", 1, 0), ("both", "control", 1, 0)]
    rows.append(("both", "treatment", 1, 0))
    answer = ask(write(tmp_path / "f.csv", rows))
    assert answer["contaminated"] == 1
    assert answer["results"][0]["treatment"] | {"low": 0, "high": 0} == {
        "x": 76, "n": 300, "rate": 76 / 300, "low": 0, "high": 0,
    }  # fmt: skip


def test_without_a_control_the_answer_is_unproven(tmp_path):
    answer = ask(write(tmp_path / "f.csv", people(held=0)))
    assert (answer["status"], answer["results"]) == ("unproven", [])
    assert answer["without_control"]["ordered"]["treatment"]["n"] == 300


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"unit": "nobody"}, "unit"),
        ({"treat": "nothing"}, "treat"),
        ({"treat": "uid"}, "treat"),
        ({"outcome": ["profit"]}, "outcome"),
        ({"covariate": ["age"]}, "covariate"),
        ({"outcome": ["arm"]}, "file"),
        ({"control": "placebo"}, "control"),
        ({"split": ["control=1"]}, "split"),
        ({"split": ["control=x", "treatment=1"]}, "split"),
        ({"looks": 3}, "look"),
        ({"looks": 3, "look": 4}, "look"),
        ({"tau": -1.0}, "tau"),
    ],
)
def test_a_question_that_cannot_be_answered_names_its_field(tmp_path, options, field):
    with pytest.raises(CommandError, match=f"^{field}: "):
        ask(write(tmp_path / "f.csv", people()), **options)


def test_a_bad_cell_is_named_by_row_and_column(tmp_path):
    rows = [*people(2, 2), ("t9", "treatment", "", 1), ("t10", "treatment", "many", 1)]
    with pytest.raises(CommandError, match=r"(?s)[Rr]ow 6.*ordered.*[Rr]ow 7.*many"):
        ask(write(tmp_path / "f.csv", rows))


def test_unknown_names_of_arms_ask_which_one_is_the_control(tmp_path):
    rows = [(n, "red" if n % 2 else "blue", 0, 0) for n in range(20)]
    path = write(tmp_path / "f.csv", rows)
    with pytest.raises(CommandError, match="--control"):
        ask(path)
    assert ask(path, control="red")["control"] == "red"


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(CommandError, match=r"^file: "):
        ask(tmp_path / "none.csv")
