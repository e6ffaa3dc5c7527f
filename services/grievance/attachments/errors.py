"""What can go wrong with an attachment.

NotFound 404               Conflict 409              PayloadTooLarge 413         Invalid 422
└── AttachmentNotFound     └── TooManyAttachments    └── AttachmentTooLarge      └── AttachmentRefused

Unavailable 503: ScannerAway
"""

from __future__ import annotations

from shared.errors import Conflict, Invalid, NotFound, PayloadTooLarge, Unavailable


class AttachmentNotFound(NotFound):
    """The case has no such file."""

    code, title = "attachment_not_found", "The case has no such attachment"


class TooManyAttachments(Conflict):
    """The case has as many files as a case may have."""

    code, title = "too_many_attachments", "This case has as many attachments as it may have"


class AttachmentTooLarge(PayloadTooLarge):
    """The file is larger than allowed."""

    code, title = "attachment_too_large", "The attachment is too large"


class AttachmentRefused(Invalid):
    """The file is not what it says, or of a type that is not taken, or a scanner found something in it."""

    code, title = "attachment_refused", "This file cannot be attached"


class ScannerAway(Unavailable):
    """The malware scanner gave no verdict."""

    code, title = "scanner_away", "The file cannot be checked now"
