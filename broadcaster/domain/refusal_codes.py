"""Codes of every refusal: a closed vocabulary, worded in `words/<lang>/refusals_*.po`. Pure."""

from enum import auto

from broadcaster.domain.refusals import Code


class FieldCode(Code):
    """A value that is missing, unknown, too long or of the wrong shape."""

    MISSING = auto()
    UNKNOWN_NAME = auto()
    UNKNOWN_VALUE = auto()
    TOO_LONG = auto()
    TOO_MANY = auto()
    WRONG_SHAPE = auto()
    MOMENT_UNREADABLE = auto()
    NO_SUCH_MOMENT = auto()
    PILED_MARKS = auto()
    PILED_MARKS_ALONE = auto()


class Hint(Code):
    """A suggested remedy that depends on the value."""

    DID_YOU_MEAN = auto()
    KNOWN_NAMES = auto()
    SEE_AREAS = auto()
    FILL_TEXT = auto()
    FILL_LIST = auto()
    FILL_LANGUAGES = auto()
    FILL_WORDS = auto()
    FILL_BOOLEAN = auto()
    MEND_AND_REPEAT = auto()


class FileCode(Code):
    """A file whose front matter or text cannot be read."""

    FILE_TOO_LARGE = auto()
    NO_FRONT_MATTER = auto()
    FRONT_MATTER_OPEN = auto()
    BODY_TWICE = auto()
    NOT_PAIRS = auto()
    CONTROL_CHARACTER = auto()
    NOT_YAML = auto()
    LINE_NOT_YAML = auto()
    LINE_TAB = auto()
    LINE_REFERENCE = auto()
    LINE_TAG = auto()
    LINE_TOO_DEEP = auto()
    LINE_CUT_SHORT = auto()
    LINE_REPEATED = auto()
    LINE_NAME = auto()


class RuleCode(Code):
    """Content that breaks a rule of announcements."""

    TOPIC_UNKNOWN = auto()
    AREA_UNKNOWN = auto()
    CHANNEL_UNKNOWN = auto()
    NO_LETTERS = auto()
    NOT_WEB_ADDRESS = auto()
    IMAGE_ALT_MISSING = auto()
    IMAGE_MISSING = auto()
    LINK_NOT_ALLOWED = auto()
    CLAIM_LINKED = auto()
    EMERGENCY_KIND = auto()
    CLARIFICATION_ONLY = auto()
    EXPIRES_MISSING = auto()
    INSTRUCTION_MISSING = auto()
    CLAIM_MISSING = auto()
    VERDICT_MISSING = auto()
    FACT_MISSING = auto()
    EVIDENCE_MISSING = auto()
    PLACEHOLDER = auto()


class TimeCode(Code):
    """A time that is impossible or unlikely."""

    SEEN_AHEAD = auto()
    EFFECTIVE_LONG_AGO = auto()
    EFFECTIVE_FAR_AHEAD = auto()
    EXPIRES_FAR_AHEAD = auto()
    PUBLISH_AT_PAST = auto()
    PUBLISH_AT_FAR_AHEAD = auto()
    EXPIRES_PAST = auto()
    EXPIRES_BEFORE_START = auto()


class AdviceCode(Code):
    """Content that deserves a second look but is not refused."""

    NIGHT = auto()
    SAME_TITLE = auto()
    UNDATED = auto()
    SHOUTED = auto()
    LINK_COMPLETED = auto()
    LINK_DEAD = auto()
    PHONE_UNKNOWN = auto()


class WaitCode(Code):
    """A channel that would delay an announcement."""

    CHANNEL_MOVED = auto()
    CHANNEL_STOPPED = auto()
    CHANNEL_SPENT = auto()
    CHANNEL_LIMITED = auto()


class StepCode(Code):
    """A step that the state of an announcement, or the role of the actor, does not allow."""

    STATE_FORBIDS = auto()
    ROLE_FORBIDS = auto()
    RIGHT_MISSING = auto()
    NOT_YOURS = auto()
    OWN_APPROVAL = auto()
    OWN_DECISION = auto()
    OWN_PUBLICATION = auto()
    OWN_PROPOSAL = auto()
    CHANGED_SINCE_SEEN = auto()
    CHANGED_SINCE_SUBMITTED = auto()
    CHANGED_BY_OTHER = auto()
    OUTDATED = auto()
    NOT_READ = auto()
    RETURNED_BY_YOU = auto()
    ALONE_NOT_ALLOWED = auto()
    ALONE_EMERGENCY_ONLY = auto()
    NO_ANNOUNCEMENT = auto()
    NO_VERSION = auto()
    DRILL = auto()
    NEVER_PUBLISHED = auto()
    WITHDRAWN = auto()
    SAME_AS_PUBLISHED = auto()
    NO_PROPOSAL = auto()
    PROPOSAL_WAITS = auto()
    PROPOSAL_APPROVED = auto()
    PROPOSAL_CHANGED = auto()
    PROPOSAL_UNAPPROVED = auto()
    PROPOSAL_OF_OTHER = auto()
    PROPOSAL_STALE = auto()
    TEMPLATES_FULL = auto()
    NO_TEMPLATE = auto()
    APPROVER_DISABLED = auto()
    AUTHOR_CONTROLS_YOU = auto()
    YOU_CONTROL_AUTHOR = auto()
    SAME_CONTROL = auto()
    SAME_CONTROL_UNNAMED = auto()


class SendingCode(Code):
    """An act on a sending or a channel that is not possible now."""

    NOTHING_RUNNING = auto()
    NOTHING_PAUSED = auto()
    NOTHING_OPEN = auto()
    CHANNELS_CITYWIDE = auto()
    CHANNEL_OPEN = auto()
    NOTHING_HELD = auto()
    DATABASE_AT_HOME = auto()
    MESSAGES_WAIT = auto()
    NO_TOKEN = auto()


class NewsroomCode(Code):
    """A form that the newsroom or the publishing step refuses."""

    FORM_TOO_LONG = auto()
    PLACE_MISSING = auto()
    IMAGE_ELSEWHERE = auto()
    TEMPLATE_NAME_MISSING = auto()
    TEMPLATE_NAME_TOO_LONG = auto()
    TEMPLATE_NAME_TAKEN = auto()
    PUBLISH_AT_MISSING = auto()
    REASON_MISSING = auto()
    REASON_TOO_LONG = auto()
    CORRECTION_SCHEDULED = auto()


class RequestCode(Code):
    """An API request that cannot be processed."""

    MALFORMED = auto()
    NUL_CHARACTER = auto()
    KEY_REUSED = auto()


class AccountCode(Code):
    """An account, password or second factor that is not valid."""

    SIGN_IN_NAME = auto()
    FULL_NAME = auto()
    NAME_PILED_MARKS = auto()
    AGENCY_NO_LETTERS = auto()
    AGENCIES_LIMIT = auto()
    ROLE_UNKNOWN = auto()
    ROLE_MISSING = auto()
    MAPPING_QUOTES = auto()
    MAPPING_PAIRS = auto()
    ACCOUNT_AREA_UNKNOWN = auto()
    NAME_TAKEN = auto()
    NAME_LOOKS_TAKEN = auto()
    FULL_NAME_TAKEN = auto()
    NAME_EXHAUSTED = auto()
    LAST_ADMIN = auto()
    PASSWORD_TOO_SHORT = auto()
    PASSWORD_TOO_LONG = auto()
    PASSWORD_GUESSABLE = auto()
    PASSWORDS_DIFFER = auto()
    PASSWORD_UNCHANGED = auto()
    FACTOR_SETUP_EXPIRED = auto()
    FACTOR_ACTIVE = auto()
    FACTOR_CODE_WRONG = auto()
    FACTOR_INACTIVE = auto()
    MAIL_CLOSED = auto()
    MAIL_NOT_SENT = auto()
    MAIL_CODE_EXPIRED = auto()
    MAIL_CODE_WRONG = auto()
    ADMIN_ONLY = auto()
    CITYWIDE_ADMIN_ONLY = auto()
    OWN_ACCOUNT = auto()
    OWN_PASSWORD = auto()
    OWN_FACTOR = auto()
    TOKEN_SCOPE_UNKNOWN = auto()
    TOKEN_SCOPE_MISSING = auto()
    TOKEN_NAME_MISSING = auto()
    TOKEN_NAME_TAKEN = auto()


class PictureCode(Code):
    """A picture that cannot be used."""

    PICTURE_MISSING = auto()
    PICTURE_EMPTY = auto()
    PICTURE_TOO_HEAVY = auto()
    PICTURE_BROKEN = auto()
    PICTURE_TOO_LARGE = auto()
    PICTURE_TOO_COSTLY = auto()
    PICTURE_TOO_SMALL = auto()
    PICTURE_TOO_NARROW = auto()
    PICTURE_MOVING = auto()
    PICTURE_SCANS = auto()
    PICTURE_GIF = auto()
    PICTURE_HEIC = auto()
    PICTURE_UNKNOWN = auto()
    PICTURE_NOT_KEPT = auto()
