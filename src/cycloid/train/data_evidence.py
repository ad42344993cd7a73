"""What the data says before any training: leaks, wrong labels, scales, and how far a simple model would get."""

from __future__ import annotations

from typing import Any

import numpy as np

from cycloid.train.evidence import Evidence

ROWS, FEATURES = 3_000, 200  # more are sampled, and the evidence says so
FOLDS, TREES = 4, 60


def probe_data(x: Any, y: Any, x_validation: Any = None, y_validation: Any = None, names: Any = None) -> Evidence:
    """Evidence on data sets, by NumPy and by cross-fitted models of scikit-learn; nothing of the model at hand.

    Args:
        x: training inputs, shape (n, ...).
        y: training targets, shape (n,) or (n, 1): integers, or floats with few values, are classes; others numbers.
        x_validation: rows kept apart, or None.
        y_validation: their targets.
        names: of the features.

    Cost:
        Some seconds for thousands of rows; above 3 000 rows or 200 features a sample is taken, which the notes say.

    Example:
        >>> import numpy as np
        >>> x = np.random.default_rng(0).normal(size=(200, 3))
        >>> found = probe_data(x, (x[:, 0] > 0).astype(int), x[:20], (x[:20, 0] > 0).astype(int))
        >>> found.task, found.shared_rows
        ('binary', 1.0)

    Reference: Northcutt, Jiang, Chuang, Confident learning: estimating uncertainty in dataset labels, 2021.
    """
    whole, targets = _flat(x), np.asarray(y)
    targets = targets.reshape(len(targets), -1)[:, 0] if targets.ndim > 1 else targets
    task = task_of(targets)
    seen: dict[str, Any] = {"train_rows": len(whole), "task": task} | _scales(whole, targets, task)
    seen["input_shape"], seen["input_dtype"] = np.shape(x), str(np.asarray(x).dtype)
    if names is not None and len(names) == whole.shape[1]:
        seen["feature_names"] = tuple(str(name) for name in names)
    finite = np.isfinite(whole).all(axis=1) & np.isfinite(targets.astype(float))
    rows, notes = _sample(np.flatnonzero(finite))
    data, labels = whole[rows], targets[rows]
    if x_validation is not None:
        held = _flat(x_validation)
        seen |= {"validation_rows": len(held), "shared_rows": shared_rows(whole[finite], held)}
    if len(data) >= 20 and len(np.unique(labels)) > 1:
        seen["feature_skill"] = feature_skill(data, labels, task)
        seen |= cross_fit(data, labels, task)
    return Evidence.of(seen | {"notes": tuple(notes)})


def task_of(y: np.ndarray) -> str:
    """ "binary", "multiclass" or "regression", from the targets alone."""
    values = np.unique(y[np.isfinite(y.astype(float))])
    whole = np.all(np.mod(values, 1) == 0) and len(values) <= max(20, 0 if y.dtype.kind == "f" else 1_000)
    if not whole or (y.dtype.kind == "f" and not set(values) <= {0.0, 1.0} and len(values) > 10):
        return "regression"
    return "binary" if len(values) <= 2 else "multiclass"


def shared_rows(train: np.ndarray, held: np.ndarray) -> float:
    """Share of held-out rows that stand in the training set too, or within a hair of a row there.

    A hair is 2 % of the usual distance between neighbours in the training set. What training rows share among
    themselves, as in a table of few categories, is subtracted.
    """
    center, scale = np.nan_to_num(train.mean(axis=0)), np.nan_to_num(train.std(axis=0))
    scale = np.where(scale > 1e-9 * (1 + np.abs(center)), scale, 1.0)  # a constant column tells no rows apart
    a, b = (np.nan_to_num((part - center) / scale) for part in (train, held))
    rng = np.random.default_rng(0)
    b = b if len(b) <= 1_000 else b[rng.choice(len(b), 1_000, replace=False)]
    own = a if len(a) <= 500 else a[rng.choice(len(a), 500, replace=False)]
    among = _nearest(own, a, itself=True)
    hair = 0.02 * float(np.median(among[among > 0])) if np.any(among > 0) else 0.0
    across = _nearest(b, a, itself=False)
    return float(max(0.0, np.mean(across <= hair) - np.mean(among <= hair)))


def feature_skill(x: np.ndarray, y: np.ndarray, task: str) -> np.ndarray:
    """How well each feature alone predicts the target: the share of variance (or of errors beyond the prior's) removed.

    The target's mean (or likeliest class) is taken within bins of the feature on every other row, and judged on the
    rows between them.
    """
    order = np.random.default_rng(1).permutation(len(x))
    fit, judge = order[::2], order[1::2]
    bins = int(np.clip(len(fit) // 12, 4, 40))
    skills = []
    for column in x.T[:FEATURES]:
        edges = np.unique(np.quantile(column[fit], np.linspace(0, 1, bins + 1)[1:-1]))
        places, judged = (np.searchsorted(edges, column[part]) for part in (fit, judge))
        binned = _bin_skill(places, judged, y, fit, judge, task)
        skills.append(binned if task == "regression" else max(binned, _split_skill(column, y, fit, judge)))
    return np.array(skills + [0.0] * (x.shape[1] - len(skills)))


def cross_fit(x: np.ndarray, y: np.ndarray, task: str) -> dict[str, Any]:
    """Out-of-fold predictions by simple models: the metric they reach, what chance would, labels they contradict."""
    from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor
    from sklearn.model_selection import KFold, StratifiedKFold

    if task == "regression":
        trees = lambda: ExtraTreesRegressor(TREES, min_samples_leaf=2, random_state=0)
        folds = list(KFold(FOLDS, shuffle=True, random_state=0).split(x))
        tables = [_out_of_fold(make, x, y, folds) for make in (trees, _Linear)]
        error = min(float(np.mean((table - y) ** 2)) for table in tables)
        return {"cross_metric": 1.0 - error / max(float(np.var(y)), 1e-300), "shuffled_metric": 0.0}
    codes = np.unique(y, return_inverse=True)[1]
    counts = np.bincount(codes)
    if counts.min() < 2:
        return {}
    splitter = StratifiedKFold(min(FOLDS, int(counts.min())), shuffle=True, random_state=0)
    folds = list(splitter.split(x, codes))
    trees = lambda: _Shares(ExtraTreesClassifier(TREES, min_samples_leaf=2, random_state=0))
    tables = [_out_of_fold(make, x, np.eye(len(counts))[codes], folds) for make in (trees, _Linear)]
    table = max(tables, key=lambda votes: float(np.mean(votes.argmax(axis=1) == codes)))
    named, surest = table.argmax(axis=1), _surest(table)
    return {
        "cross_metric": float(np.mean(named == codes)),
        "shuffled_metric": float(counts.max() / counts.sum()),
        "cross_disagreement": float(np.mean(named[surest] != codes[surest])),
    }


class _Linear:
    """Ridge regression on standardised inputs, of one target or of the indicators of the classes."""

    def fit(self, x: np.ndarray, y: np.ndarray) -> _Linear:
        self.center, self.scale = x.mean(axis=0), x.std(axis=0) + 1e-12
        z, self.mean = (x - self.center) / self.scale, y.mean(axis=0)
        self.weights = np.linalg.solve(z.T @ z + (3.0 + 1e-9 * len(z)) * np.eye(z.shape[1]), z.T @ (y - self.mean))
        return self

    def predict(self, x: np.ndarray) -> np.ndarray:
        return (x - self.center) / self.scale @ self.weights + self.mean


class _Shares:
    """A classifier whose predictions are the shares of its votes; it is fitted to indicators of the classes."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def fit(self, x: np.ndarray, y: np.ndarray) -> _Shares:
        self.classes = y.shape[1]
        self.model.fit(x, y.argmax(axis=1))
        return self

    def predict(self, x: np.ndarray) -> np.ndarray:
        table = np.zeros((len(x), self.classes))
        table[:, self.model.classes_] = self.model.predict_proba(x)
        return table


def _out_of_fold(make: Any, x: np.ndarray, y: np.ndarray, folds: Any) -> np.ndarray:
    """What a model says of each row, fitted on the others."""
    table = np.zeros(y.shape)
    for fit, judge in folds:
        table[judge] = make().fit(x[fit], y[fit]).predict(x[judge])
    return table


def _surest(table: np.ndarray) -> np.ndarray:
    """The half of the rows with the widest margin, class by class, so that a frequent class does not fill it."""
    top = np.sort(table, axis=1)
    margin, named = top[:, -1] - top[:, -2], table.argmax(axis=1)
    kept = np.zeros(len(table), bool)
    for label in np.unique(named):
        own = named == label
        kept[own] = margin[own] >= np.median(margin[own])
    return kept


def _bin_skill(
    places: np.ndarray, judged: np.ndarray, y: np.ndarray, fit: np.ndarray, judge: np.ndarray, task: str
) -> float:
    count = int(max(places.max(), judged.max())) + 1
    if task == "regression":
        members = np.bincount(places, minlength=count)
        means = np.bincount(places, weights=y[fit], minlength=count) / np.maximum(members, 1)
        means = np.where(members > 0, means, y[fit].mean())
        return float(1 - np.mean((y[judge] - means[judged]) ** 2) / max(np.var(y[judge]), 1e-300))
    labels, codes = np.unique(y, return_inverse=True)
    table = np.zeros((count, len(labels)))
    np.add.at(table, (places, codes[fit]), 1.0)
    prior = np.bincount(codes[fit], minlength=len(labels)).argmax()
    named = np.where(table.sum(axis=1) > 0, table.argmax(axis=1), prior)
    wrong, base = np.mean(named[judged] != codes[judge]), np.mean(codes[judge] != prior)
    return float(1 - wrong / base) if base > 0 else 0.0


def _split_skill(column: np.ndarray, y: np.ndarray, fit: np.ndarray, judge: np.ndarray) -> float:
    """The skill of one threshold, the best on the rows it is fitted on."""
    labels, codes = np.unique(y, return_inverse=True)
    order = fit[np.argsort(column[fit], kind="stable")]
    below = np.cumsum(np.eye(len(labels))[codes[order]], axis=0)
    above = below[-1] - below
    cut = int((below.max(axis=1) + above.max(axis=1)).argmax())
    named = np.where(column[judge] <= column[order[cut]], below[cut].argmax(), above[cut].argmax())
    prior = np.bincount(codes[fit], minlength=len(labels)).argmax()
    base = float(np.mean(codes[judge] != prior))
    return float(1 - np.mean(named != codes[judge]) / base) if base > 0 else 0.0


def _scales(x: np.ndarray, y: np.ndarray, task: str) -> dict[str, Any]:
    finite = np.where(np.isfinite(x), x, np.nan)
    seen: dict[str, Any] = {
        "nonfinite_inputs": float(np.mean(~np.isfinite(x))),
        "nonfinite_targets": float(np.mean(~np.isfinite(y.astype(float)))),
    }
    if np.isfinite(finite).any():
        square = np.nan_to_num(finite**2).mean(axis=0)
        seen |= {"feature_mean": np.nan_to_num(finite).mean(axis=0), "feature_scale": np.sqrt(square)}
        seen |= {"input_scale": float(np.sqrt(square.mean()))}
        seen |= {"input_low": float(np.nanmin(finite)), "input_high": float(np.nanmax(finite))}
    if task == "regression":
        t = y[np.isfinite(y)].astype(float)
        seen |= {"target_mean": float(t.mean()), "target_deviation": float(t.std())}
        seen |= {"target_low": float(t.min()), "target_high": float(t.max())}
    else:
        seen["class_counts"] = np.unique(y[np.isfinite(y.astype(float))], return_counts=True)[1]
    return seen


def _nearest(a: np.ndarray, b: np.ndarray, *, itself: bool) -> np.ndarray:
    """Distance of each row of a to the nearest row of b, to the second nearest where a stands in b itself."""
    from sklearn.neighbors import NearestNeighbors

    count = min(2 if itself else 1, len(b))
    return NearestNeighbors(n_neighbors=count, algorithm="brute").fit(b).kneighbors(a)[0][:, -1]


def _flat(x: Any) -> np.ndarray:
    values = np.asarray(x)
    return values.reshape(len(values), -1).astype(float)


def _sample(rows: np.ndarray) -> tuple[np.ndarray, list[str]]:
    if len(rows) <= ROWS:
        return rows, []
    chosen = np.sort(np.random.default_rng(3).choice(rows, ROWS, replace=False))
    return chosen, [f"{ROWS:,} of {len(rows):,} rows were sampled for the questions about the data."]
