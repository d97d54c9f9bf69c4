"""KDEClassifier: the older, supervised detector of the LaREx authors (SafeAI 2023): one kernel density per
class, Bayes' rule.

It sees OoD images when it is fitted, so its protocol is "oracle-val" and its numbers stand in a column of
their own.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_array, check_is_fitted, check_X_y

from lsood.density.kernel import kernel_log_density


class KDEClassifier(ClassifierMixin, BaseEstimator):
    """Bayesian classifier with a Gaussian kernel density per class.

    Args:
        bandwidth: of the kernel.

    Attributes:
        classes_: (K,) sorted labels; the reference uses 1 for in-distribution, 0 for OoD.
        samples_: per class, its fit samples (n_k, D) float64. log_priors_: (K,) log of the class shares.

    Example:
        >>> x = np.array([[0.0], [0.1], [5.0], [5.1]])
        >>> KDEClassifier(0.5).fit(x, [1, 1, 0, 0]).predict([[0.05], [4.9]]).tolist()
        [1, 0]
    """

    def __init__(self, bandwidth: float = 1.0) -> None:
        self.bandwidth = bandwidth

    def fit(self, X: ArrayLike, y: ArrayLike) -> KDEClassifier:
        """Learn from X (N, D) and labels y (N,).

        Raises:
            ValueError: shapes that do not fit, NaN, or a bandwidth that is not positive.
        """
        if not self.bandwidth > 0:
            raise ValueError(f"bandwidth must be positive, got {self.bandwidth}")
        samples, labels = check_X_y(X, y, dtype=np.float64)
        self.classes_, counts = np.unique(labels, return_counts=True)
        self.n_features_in_ = samples.shape[1]
        self.samples_ = [samples[labels == c] for c in self.classes_]
        self.log_priors_ = np.log(counts / len(labels))
        return self

    def _log_joint(self, X: ArrayLike) -> NDArray[np.float64]:
        check_is_fitted(self)
        x = torch.from_numpy(check_array(X, dtype=np.float64))
        log = [kernel_log_density(x, torch.from_numpy(s), self.bandwidth).numpy() for s in self.samples_]
        return np.stack(log, axis=1) + self.log_priors_

    def predict_log_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """(N, K) log posterior."""
        joint = self._log_joint(X)
        return joint - np.logaddexp.reduce(joint, axis=1, keepdims=True)

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """(N, K) posterior probabilities, rows sum to 1."""
        return np.exp(self.predict_log_proba(X))

    def pred_prob(self, X: ArrayLike) -> NDArray[np.float64]:
        """The reference's name of :meth:`predict_proba`."""
        return self.predict_proba(X)

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """(N,) log odds of the last class against the first: finite where probabilities saturate."""
        joint = self._log_joint(X)
        return joint[:, -1] - joint[:, 0]

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """(N,) labels."""
        return self.classes_[self._log_joint(X).argmax(1)]
