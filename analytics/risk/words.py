"""The model in words: what each weight says, and how sure the whole is."""

from dataclasses import dataclass

from django.utils.translation import gettext as _

from analytics.risk.fitting import odds_of_step
from analytics.risk.learning import LEAST_TO_FIT, LEAST_TO_TEST
from crm.risk.features import FEATURES, HORIZON_DAYS
from crm.risk.models import RiskModel
from crm.shared.formatting import digits, rate

Verdict = RiskModel.Verdict


@dataclass(frozen=True)
class Said:
    """One feature: what it is, what its weight means, and its points without a model."""

    label: str
    meaning: str
    odds: float | None
    points: str


def definition() -> str:
    """What the number is, exactly."""
    return _(
        "再收到一条营销群发后 %(days)s 天内，客户删除发送员工的可能性。依据都是发送之前已知的；"
        "模型用自己的发送记录拟合，再用之后几周的记录检验，通过了才启用。"
        "每天夜里为每位好友算一次；一位客户有多位员工时，按最近与其说话的员工。"
    ) % {"days": HORIZON_DAYS}


def finding(model: RiskModel | None) -> str:
    """How sure it is, in one sentence."""
    if model is None:
        return _("还没有学习过自己的发送记录；现在按公布的分数分高、中、低，不给出可能性。")
    if model.is_withdrawn:
        return _("第 %(n)s 版模型已停用；现在按公布的分数分高、中、低，不给出可能性。") % {
            "n": model.version
        }
    if model.verdict == Verdict.SMALL:
        fit, test = model.sample.get("fit", {}), model.sample.get("test", {})
        return _(
            "记录太少，还学不出可靠的模型：拟合用的发送之后有 %(fit)s 次删除"
            "（至少要 %(least)s 次），检验用的有 %(test)s 次（至少要 %(few)s 次）。"
            "现在按公布的分数分高、中、低，不给出可能性。"
        ) % {
            "fit": digits(fit.get("deleted", 0)),
            "test": digits(test.get("deleted", 0)),
            "least": LEAST_TO_FIT,
            "few": LEAST_TO_TEST,
        }
    values = _numbers(model)
    if model.verdict == Verdict.NO_BETTER:
        return (
            _(
                "模型在之后几周的检验里不比平均数准"
                "（区分度 AUC %(auc)s，95%% 区间 %(low)s–%(high)s），没有启用；"
                "现在按公布的分数分高、中、低，不给出可能性。"
            )
            % values
        )
    return (
        _(
            "第 %(n)s 版模型：在之后几周的 %(touches)s 次发送里检验，一位删除的和一位没删除的客户，"
            "有 %(share)s 的把握说出谁更可能删除（AUC %(auc)s，95%% 区间 %(low)s–%(high)s）；"
            "误差（Brier）%(brier)s，只用平均数是 %(plain)s。"
        )
        % values
    )


def _numbers(model: RiskModel) -> dict[str, str | int]:
    told = model.validation
    ranking = told.get("auc", {"value": 0, "low": 0, "high": 0})
    return {
        "n": model.version,
        "touches": digits(model.sample.get("test", {}).get("touches", 0)),
        "share": rate(ranking["value"]),
        "auc": f"{ranking['value']:.2f}",
        "low": f"{ranking['low']:.2f}",
        "high": f"{ranking['high']:.2f}",
        "brier": f"{told.get('brier', 0):.5f}",
        "plain": f"{told.get('brier_of_base_rate', 0):.5f}",
    }


def weights_said(model: RiskModel | None) -> list[Said]:
    """Every feature in words; without weights only the points."""
    by_code = {weight["code"]: weight for weight in model.weights} if model else {}
    found = []
    for place, feature in enumerate(FEATURES):
        weight = by_code.get(feature.code)
        odds = odds_of_step(place, weight) if weight else None
        low, high = feature.shown
        meaning = (
            _("从 %(low)s %(unit)s到 %(high)s %(unit)s，可能与不可能之比变为 %(odds)s 倍")
            % {"low": low, "high": high, "unit": feature.unit, "odds": f"{odds:.2f}"}
            if odds
            else ""
        )
        sign = "≤" if feature.is_below else "≥"
        points = _("、").join(
            f"{sign} {limit} {feature.unit} +{gives}" for limit, gives in feature.steps
        )
        found.append(Said(str(feature.label), meaning, odds, points))
    return found
