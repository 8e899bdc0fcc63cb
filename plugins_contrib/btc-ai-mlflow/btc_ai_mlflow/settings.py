"""PLUGINS.mlflow.SETTINGS."""

from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator


class Settings(BaseModel):
    """Where the runs go, and how patiently."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    tracking_uri: str = Field(
        "http://127.0.0.1:5000", min_length=1, description="Server, or a local store of MLflow"
    )
    experiment: str = Field("BTC-AI", min_length=1, max_length=200, description="Experiment")
    artifacts: bool = Field(True, description="Keep finished models: weights and card")
    backfill: int = Field(20, ge=0, le=500, description="Newest runs to look after at the start")
    every_s: float = Field(5.0, gt=0, le=3600, description="Seconds between two transmissions")
    timeout_s: float = Field(10.0, gt=0, le=300, description="Seconds for one request")
    first_delay_s: float = Field(1.0, gt=0, le=3600, description="Wait after the first failure")
    max_delay_s: float = Field(60.0, gt=0, le=3600, description="Longest wait between attempts")

    @field_validator("tracking_uri")
    @classmethod
    def _without_credentials(cls, uri: str) -> str:
        try:
            parts = urlsplit(uri)
        except ValueError:
            raise ValueError("is no URI") from None
        if parts.username or parts.password:
            raise ValueError(
                "must not hold credentials; put MLFLOW_TRACKING_USERNAME and "
                "MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, into the daemon's environment"
            )
        return uri
