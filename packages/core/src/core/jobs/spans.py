"""The span of a run: the root of a trace that no request has begun."""

from contextlib import AbstractContextManager

from opentelemetry.trace import Span, SpanKind, Tracer, get_current_span

from core.jobs.schedule import Job
from core.tracing import record_failure


def run_span(tracer: Tracer, job: Job) -> AbstractContextManager[Span]:
    """The span of one run of a job; OpenTelemetry has names for the function, and none for a job."""
    function = f"{job.work.__module__}.{job.work.__qualname__}"
    return tracer.start_as_current_span(
        f"run {job.name}",
        kind=SpanKind.INTERNAL,
        attributes={"code.function.name": function, "job.name": job.name},
        # That its process stops is no failure of a run; `tell_outcome` says what is.
        record_exception=False,
        set_status_on_exception=False,
    )


def tell_outcome(outcome: str, failure: BaseException | None) -> None:
    """Puts on the span that runs how the run ended."""
    get_current_span().set_attribute("job.outcome", outcome)
    if failure is not None:
        record_failure(failure)
