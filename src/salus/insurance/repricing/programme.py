"""Linear and mixed programmes put to HiGHS: one thread and no clock, so that answers are always the same."""

from dataclasses import dataclass
from typing import Any

import highspy
import numpy as np
import numpy.typing as npt

Reals = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Solved:
    """What HiGHS gives: whether it is optimal, the columns, and the duals of the rows (of a linear
    programme).

    `bound` is the proven least of a mixed programme's objective, `objective` what was reached; `proven`
    tells that the search came to its end, whether with an answer or with the proof that there is none.
    """

    optimal: bool
    feasible: bool
    objective: float
    bound: float
    columns: Reals
    duals: Reals
    proven: bool = False


class _Quiet(highspy.Highs):
    """HiGHS that says nothing on the terminal, not even its name."""

    def enableCallbacks(self) -> None:  # noqa: N802 - the solver's own name; called before options can be set
        self.silent()
        super().enableCallbacks()  # type: ignore[no-untyped-call]


class Programme:
    """min cost·x, row_low ≤ A x ≤ row_high, low ≤ x ≤ high; solved again after a change."""

    def __init__(
        self, matrix: Any, cost: Reals, low: Reals, high: Reals, row_low: Reals, row_high: Reals, *,
        whole: npt.NDArray[np.bool_] | None = None, most_nodes: int = 0, gap: float = 0.0,
    ) -> None:  # fmt: skip
        matrix = matrix.tocsc()
        model = highspy.HighsLp()
        model.num_row_, model.num_col_ = matrix.shape
        model.col_cost_, model.col_lower_, model.col_upper_ = cost, low, high
        model.row_lower_, model.row_upper_ = row_low, row_high
        model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        model.a_matrix_.start_ = matrix.indptr
        model.a_matrix_.index_ = matrix.indices
        model.a_matrix_.value_ = matrix.data
        self._mixed = whole is not None
        if whole is not None:
            kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
            model.integrality_ = [kinds[int(one)] for one in whole]
        self._highs = _Quiet()  # type: ignore[no-untyped-call]
        for name, value in (
            ("output_flag", False), ("threads", 1), ("parallel", "off"), ("random_seed", 0),
            ("primal_feasibility_tolerance", 1e-9), ("dual_feasibility_tolerance", 1e-9),
        ):  # fmt: skip
            self._highs.setOptionValue(name, value)
        if self._mixed:
            self._highs.setOptionValue("mip_rel_gap", gap)
            self._highs.setOptionValue("mip_abs_gap", 0.0)
            self._highs.setOptionValue("mip_feasibility_tolerance", 1e-9)
            if most_nodes:
                self._highs.setOptionValue("mip_max_nodes", most_nodes)
        self._highs.passModel(model)
        self._count = len(cost)

    def set_cost(self, cost: Reals) -> None:
        """Change what the columns cost."""
        self._highs.changeColsCost(self._count, np.arange(self._count, dtype=np.int32), cost)

    def set_columns(self, places: npt.NDArray[np.int64], low: Reals, high: Reals) -> None:
        """Change the bounds of some columns."""
        self._highs.changeColsBounds(len(places), places.astype(np.int32), low, high)

    def set_row(self, row: int, low: float, high: float) -> None:
        """Change the bounds of a row."""
        self._highs.changeRowBounds(row, low, high)

    def solve(self) -> Solved:
        """Solve, and return what was found."""
        self._highs.run()
        status = self._highs.getModelStatus()
        info = self._highs.getInfo()
        solution = self._highs.getSolution()
        optimal = status == highspy.HighsModelStatus.kOptimal
        feasible = bool(info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible)
        columns = np.array(solution.col_value, dtype=np.float64)
        duals = np.array(solution.row_dual, dtype=np.float64)
        bound = info.mip_dual_bound if self._mixed else info.objective_function_value
        ended = {highspy.HighsModelStatus.kOptimal, highspy.HighsModelStatus.kInfeasible}
        return Solved(
            optimal, feasible, info.objective_function_value, bound, columns, duals, proven=status in ended
        )
