from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Literal, ParamSpec, Protocol, TypeAlias, TypedDict, TypeVar, overload

from typing_extensions import Self, Unpack

_T = TypeVar("_T")
_P = ParamSpec("_P")

__all__ = [
    # <breaker>
    "CircuitBreaker",
    "CircuitOpenError",
    # </breaker>
    # <store>
    "DynamoDBStore",
    # </store>
    # <breaker>
    # <calls>
    "Permit",
    # </calls>
    # </breaker>
    # <hooks>
    "ResultRejectedError",
    # </hooks>
    # <budget>
    "RetryBudget",
    # </budget>
    # <async>
    "async_retry_call",
    # </async>
    # <aws>
    "aws_classify",
    "aws_is_retriable",
    "aws_retry_after",
    # </aws>
    # <listeners>
    "emf_listener",
    # </listeners>
    # <calls>
    "retriable",
    "retry_call",
    # </calls>
    "retry_with_backoff",
    # <breaker>
    "retry_with_circuit_breaker",
    # </breaker>
]

CircuitState: TypeAlias = Literal["CLOSED", "OPEN", "HALF_OPEN", "ISOLATED"]
BreakerScope: TypeAlias = Literal["call", "attempt"]
Outcome: TypeAlias = Literal["success", "failure", "throttle", "ignore"]
Mode: TypeAlias = Literal["enforce", "retries-only", "metrics-only"]
Listener: TypeAlias = Callable[[dict[str, object]], object]

class LambdaContext(Protocol):
    def get_remaining_time_in_millis(self) -> int: ...

class MetricsLogger(Protocol):
    def add_dimension(self, *, name: str, value: str) -> object: ...
    def add_metric(self, *, name: str, unit: str, value: float) -> object: ...
    def flush(self) -> object: ...

class RandomSource(Protocol):
    def random(self) -> float: ...

# <store>
class CircuitStore(Protocol):
    def read(self, name: str) -> tuple[int, dict[str, object]] | None: ...
    def swap(
        self, name: str, version: int, state: dict[str, object]
    ) -> tuple[int, dict[str, object]] | None: ...

# </store>
class _Options(TypedDict, total=False):
    metrics_logger: MetricsLogger | None
    clock: Callable[[], float] | None
    sleep: Callable[[float], object] | None
    rng: RandomSource | None
    # <deadline>
    wall: Callable[[], float] | None
    timeout: float | None
    context: LambdaContext | None
    reserve: float
    min_attempt: float
    # </deadline>
    # <jitter>
    jitter: str | Callable[[RandomSource, float, float], float]
    max_delay: float | None
    # </jitter>
    # <hooks>
    is_retriable: Callable[[Exception], bool] | None
    classify: Callable[[Exception], Outcome] | None
    retry_after: Callable[[Exception, float], float | None] | None
    retry_result: Callable[[object], bool] | None
    # </hooks>
    # <budget>
    budget: RetryBudget | None
    # </budget>
    # <listeners>
    listener: Listener | None
    # </listeners>

# <calls|async>
class _CallOptions(_Options, total=False):
    max_retries: int
    base_delay: float
    jitter_factor: float
    retriable_exceptions: type[Exception] | tuple[type[Exception], ...]
    # <breaker>
    circuit_breaker: CircuitBreaker | None
    breaker_scope: BreakerScope
    # </breaker>

# </calls|async>
# <listeners>
def emf_listener(namespace: str, write: Callable[[str], object] = ...) -> Listener: ...

# </listeners>
# <breaker>
class CircuitOpenError(Exception):
    is_retriable: bool
    def __init__(self, name: str, retry_after: float) -> None: ...
    @property
    def name(self) -> str: ...
    @property
    def retry_after(self) -> float: ...

class CircuitBreaker:
    failure_threshold: int
    reset_timeout: float
    name: str | None
    half_open_max_calls: int
    lease: float
    # <recovery>
    success_threshold: int
    max_reset_timeout: float | None
    reset_jitter: float
    ramp: float
    # </recovery>
    # <windows>
    window: float | None
    failure_rate: float | None
    min_calls: int
    slow_call: float | None
    slow_rate: float | None
    # </windows>
    # <control>
    mode: Mode
    # </control>
    def __init__(
        self,
        failure_threshold: int = 5,
        reset_timeout: float = 60,
        *,
        name: str | None = None,
        half_open_max_calls: int = 1,
        lease: float | None = None,
        # <recovery>
        success_threshold: int = 1,
        max_reset_timeout: float | None = None,
        reset_jitter: float = 0.0,
        ramp: float = 0.0,
        # </recovery>
        # <windows>
        window: float | None = None,
        failure_rate: float | None = None,
        min_calls: int = 10,
        slow_call: float | None = None,
        slow_rate: float | None = None,
        # </windows>
        # <control>
        mode: Mode = "enforce",
        # </control>
        # <calls>
        classify: Callable[[Exception], Outcome] | None = None,
        # </calls>
        # <listeners>
        listener: Listener | None = None,
        # </listeners>
        # <store>
        store: CircuitStore | None = None,
        store_ttl: float = 5.0,
        # </store>
        clock: Callable[[], float] | None = None,
        wall: Callable[[], float] | None = None,
        rng: RandomSource | None = None,
    ) -> None: ...
    @property
    def state(self) -> CircuitState: ...
    @property
    def retry_after(self) -> float: ...
    def can_execute(self) -> bool: ...
    def record_success(self) -> None: ...
    def record_failure(self) -> None: ...
    def release(self) -> None: ...
    # <control>
    def isolate(self) -> None: ...
    def trip(self) -> None: ...
    def reset(self) -> None: ...
    # </control>
    # <calls>
    def acquire(self) -> Permit: ...
    def call(self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T: ...
    def __call__(self, function: Callable[_P, _T]) -> Callable[_P, _T]: ...
    def __enter__(self) -> None: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...
    # </calls>

# <calls>
class Permit:
    retry_after: float
    reason: str
    def __init__(self, breaker: CircuitBreaker, permit: tuple[float, ...] | None) -> None: ...
    def __bool__(self) -> bool: ...
    def success(self) -> None: ...
    def failure(self) -> None: ...
    def ignore(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

# </calls>
# <store>
class DynamoDBStore:
    def __init__(self, table: str, client: object = None, *, timeout: float = 0.5) -> None: ...
    def read(self, name: str) -> tuple[int, dict[str, object]] | None: ...
    def swap(
        self, name: str, version: int, state: dict[str, object]
    ) -> tuple[int, dict[str, object]] | None: ...

# </store>
# </breaker>
# <budget>
class RetryBudget:
    capacity: float
    deposit_per_success: float
    def __init__(self, capacity: float = 10, deposit: float = 0.1) -> None: ...
    @property
    def tokens(self) -> float: ...
    def withdraw(self) -> bool: ...
    def deposit(self) -> None: ...

# </budget>
# <aws>
def aws_classify(error: Exception) -> Outcome: ...
def aws_is_retriable(error: Exception) -> bool: ...
def aws_retry_after(error: Exception, delay: float) -> float | None: ...

# </aws>
# <hooks>
class ResultRejectedError(Exception):
    def __init__(self, value: object) -> None: ...
    @property
    def value(self) -> object: ...

# </hooks>
@overload
def retry_with_backoff(
    operation: Callable[[], _T],
    operation_name: str,
    max_retries: int = 3,
    base_delay: float = 5,
    jitter_factor: float = 0.3,
    retriable_exceptions: type[Exception] | tuple[type[Exception], ...] = ...,
    *,
    raise_on_failure: Literal[True],
    **options: Unpack[_Options],
) -> _T: ...
@overload
def retry_with_backoff(
    operation: Callable[[], _T],
    operation_name: str,
    max_retries: int = 3,
    base_delay: float = 5,
    jitter_factor: float = 0.3,
    retriable_exceptions: type[Exception] | tuple[type[Exception], ...] = ...,
    *,
    raise_on_failure: bool = False,
    **options: Unpack[_Options],
) -> _T | None: ...

# <breaker>
@overload
def retry_with_circuit_breaker(
    operation: Callable[[], _T],
    operation_name: str,
    circuit_breaker: CircuitBreaker,
    max_retries: int = 3,
    base_delay: float = 5,
    jitter_factor: float = 0.3,
    retriable_exceptions: type[Exception] | tuple[type[Exception], ...] = ...,
    *,
    breaker_scope: BreakerScope = "call",
    raise_on_failure: Literal[True],
    **options: Unpack[_Options],
) -> _T: ...
@overload
def retry_with_circuit_breaker(
    operation: Callable[[], _T],
    operation_name: str,
    circuit_breaker: CircuitBreaker,
    max_retries: int = 3,
    base_delay: float = 5,
    jitter_factor: float = 0.3,
    retriable_exceptions: type[Exception] | tuple[type[Exception], ...] = ...,
    *,
    breaker_scope: BreakerScope = "call",
    raise_on_failure: bool = False,
    **options: Unpack[_Options],
) -> _T | None: ...

# </breaker>
# <calls>
def retry_call(
    operation: Callable[[], _T], operation_name: str = "operation", **options: Unpack[_CallOptions]
) -> _T: ...
def retriable(
    operation_name: str | None = None, **options: Unpack[_CallOptions]
) -> Callable[[Callable[_P, _T]], Callable[_P, _T]]: ...

# </calls>
# <async>
async def async_retry_call(
    operation: Callable[[], Awaitable[_T]],
    operation_name: str = "operation",
    **options: Unpack[_CallOptions],
) -> _T: ...

# </async>
