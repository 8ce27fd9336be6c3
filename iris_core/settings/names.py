"""The names that Airflow and MLflow show."""

from __future__ import annotations

from dataclasses import dataclass

SWEEP_STATE = "iris.sweeps"
"""The key in an asset's state store under which its watcher tells how often it lists."""


def page_route(project: str) -> str:
    """Where a project's page is in Airflow's interface, below `/plugin/`.

    :param project: the project's full name, such as `team_a_iris`.
    """
    return f"iris-{project}"


@dataclass(frozen=True)
class Names:
    """Ids of DAGs, experiments, the model and assets, made from team, environment and project.

    Of the default project, names of assets and the section do without the project.
    """

    team: str
    platform_env: str
    project: str
    further: bool = False

    def _airflow(self, rest: str) -> str:
        return f"{self.team}_{self.platform_env}_{rest}"

    def _experiment(self, rest: str) -> str:
        return f"{self.team}-{self.platform_env}-{self.project}_{rest}"

    @property
    def training_dag(self) -> str:
        return self._airflow(f"{self.project}_pipeline")

    @property
    def inference_dag(self) -> str:
        return self._airflow(f"{self.project}_batch_inference")

    @property
    def drift_dag(self) -> str:
        return self._airflow(f"{self.project}_drift_pipeline")

    @property
    def promise_dag(self) -> str:
        """The id of the DAG that looks for late verdicts; there is none unless `VERDICT_WITHIN` is set."""
        return self._airflow(f"{self.project}_promised_times")

    @property
    def dags(self) -> tuple[str, str, str]:
        """The ids of the three DAGs that decide."""
        return self.training_dag, self.inference_dag, self.drift_dag

    @property
    def training_experiment(self) -> str:
        return self._experiment("classifier")

    @property
    def inference_experiment(self) -> str:
        return self._experiment("batch_inference")

    @property
    def drift_experiment(self) -> str:
        return self._experiment("drift_monitor")

    @property
    def model(self) -> str:
        """The registered model's name."""
        return self._airflow(f"{self.project}_model")

    def asset(self, name: str) -> str:
        """An asset's name, unique in an Airflow that serves several teams and projects."""
        return self._airflow(f"{self.project}_{name}" if self.further else name)

    @property
    def section(self) -> str:
        """The part of keys below `ledger/`, `work/` and so on that keeps environments and projects apart.

        No environment's name has a hyphen, so no two sections are the same by accident.
        """
        return f"{self.platform_env}-{self.project}" if self.further else self.platform_env

    @property
    def shown(self) -> frozenset[str]:
        """The names that no other project may have; for the assets, the beginning of their names."""
        experiments = {self.training_experiment, self.inference_experiment, self.drift_experiment}
        return frozenset({*self.dags, self.promise_dag, *experiments, self.model, self.asset("")})
