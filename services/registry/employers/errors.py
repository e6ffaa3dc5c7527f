"""What can go wrong with employers.

Problem
├── EmployerNotFound 404 employer_not_found
├── WorkerFileNotFound 404 worker_file_not_found
├── EmployerExists 409 employer_exists
├── EmployerClosed 409 employer_closed
├── NotYours 403 not_your_employer
└── BadWorkers 422 bad_workers
"""

from __future__ import annotations

from shared.errors import Conflict, Forbidden, Invalid, NotFound


class EmployerNotFound(NotFound):
    """No employer has this id."""

    code, title = "employer_not_found", "There is no such employer"


class WorkerFileNotFound(NotFound):
    """No file of this employer has this id."""

    code, title = "worker_file_not_found", "There is no such file"


class EmployerExists(Conflict):
    """The registration number is taken."""

    code, title = "employer_exists", "This employer is registered already"


class EmployerClosed(Conflict):
    """It closed."""

    code, title = "employer_closed", "This employer has closed"


class NotYours(Forbidden):
    """An employer's account sees its own workers only."""

    code, title = "not_your_employer", "This is another employer's"


class BadWorkers(Invalid):
    """Some of the workers cannot be registered as sent; none was."""

    code, title = "bad_workers", "Some of the workers are not valid"
