# ruff: noqa: S105  names of acts, no secrets
"""Acts recorded in the audit log: a closed vocabulary. The value is stored in the database and in
exports, so it never changes; labels are in the catalogue (staff.act.*, staff.audit.act.*).
"""

from enum import StrEnum, unique


@unique
class Act(StrEnum):
    """An act of a person, a program or the clock."""

    # an announcement on its way to residents
    CREATE = "create"  # a draft was begun
    EDIT = "edit"  # its text or areas changed
    SUBMIT = "submit"  # submitted to a second person
    APPROVE = "approve"  # a second person approved it
    SEND_BACK = "send_back"  # returned to its author with a reason
    REJECT = "reject"  # turned down for good
    CALL_BACK = "call_back"  # an approval taken back within the hold
    LAPSE = "lapse"  # the approval is no longer valid
    SCHEDULE = "schedule"  # given a time of publication
    UNSCHEDULE = "unschedule"  # taken off the schedule
    PUBLISH = "publish"  # its first edition was issued
    BREAK_GLASS = "break_glass"  # an emergency published by one person alone
    REHEARSE = "rehearse"  # a drill was approved and ended without sending
    MISS = "miss"  # its time passed and it did not go out
    LATE = "late"  # it went out later than planned
    CORRECT = "correct"  # the next edition was issued
    WITHDRAW = "withdraw"  # the edition that takes it back was issued
    END = "end"  # its time was over
    ARCHIVE = "archive"  # put away by a person
    TEST_SEND = "test_send"  # a draft sent to its own author

    # a correction or withdrawal that waits for a second person
    PROPOSE_CORRECTION = "propose_correction"  # a correction was proposed
    PROPOSE_WITHDRAWAL = "propose_withdrawal"  # a withdrawal was proposed
    APPROVE_CORRECTION = "approve_correction"  # approved: it goes out after the hold
    APPROVE_WITHDRAWAL = "approve_withdrawal"  # approved: it goes out after the hold
    REFUSE_CORRECTION = "refuse_correction"  # turned down with a reason
    REFUSE_WITHDRAWAL = "refuse_withdrawal"  # turned down with a reason
    CALL_BACK_CORRECTION = "call_back_correction"  # approval taken back within the hold
    CALL_BACK_WITHDRAWAL = "call_back_withdrawal"  # approval taken back within the hold
    TAKE_BACK_CORRECTION = "take_back_correction"  # dropped by its author
    TAKE_BACK_WITHDRAWAL = "take_back_withdrawal"  # dropped by its author
    LAPSE_CORRECTION = "lapse_correction"  # approved, but no longer valid: asked again
    LAPSE_WITHDRAWAL = "lapse_withdrawal"  # approved, but no longer valid: asked again

    # templates of announcements
    KEEP_TEMPLATE = "keep_template"  # made from an announcement
    USE_TEMPLATE = "use_template"  # a draft was made from it
    RENAME_TEMPLATE = "rename_template"  # given another name
    DELETE_TEMPLATE = "delete_template"  # removed

    # a sending
    PAUSE = "pause"  # stopped until resumed
    RESUME = "resume"  # sent on after a pause
    CANCEL = "cancel"  # nothing more of it is sent
    RETRY_FAILED = "retry-failed"  # another attempt was asked for where it had failed
    RETRIED = "retried"  # how many attempts that opened
    HELD_UP = "held_up"  # an emergency waits on a channel
    RESUMED = "resumed"  # the emergency goes on
    EXPIRED = "expired"  # the emergency's time ran out while it waited
    CHANNEL_RESUME = "channel_resume"  # a halted channel was resumed
    HELD_DECIDED = "held_decided"  # suspicious deactivations were applied or dropped

    # accounts of staff, decided by others
    ACCOUNT_ADD = "account_add"  # created
    ACCOUNT_CHANGE = "account_change"  # name, roles, places or mail changed
    ACCOUNT_ROLES = "account_roles"  # the city's sign-on gave other roles
    ACCOUNT_DISABLE = "account_disable"  # disabled
    ACCOUNT_ENABLE = "account_enable"  # enabled again
    PASSWORD_RESET = "password_reset"  # given a password to be replaced
    SECOND_FACTOR_REMOVED = "second_factor_removed"  # taken off, say for a lost phone
    SESSIONS_END = "sessions_end"  # signed out, by others or in other browsers
    LAST_ADMIN_KEPT = "last_admin_kept"  # the sign-on took the last administrator's role: it stays

    # a person's own account
    SIGN_IN = "sign_in"  # a session began
    SIGN_OUT = "sign_out"  # a session ended
    SIGN_IN_FAILED = "sign_in_failed"  # wrong password or code, or not admitted
    PASSWORD_FAILED = "password_failed"  # a signed-in person gave a wrong password
    CODES_STOPPED = "codes_stopped"  # too many wrong codes of the second factor
    PASSWORD_CHANGE = "password_change"  # the owner chose another password
    SECOND_FACTOR_ON = "second_factor_on"  # the owner turned it on
    SECOND_FACTOR_OFF = "second_factor_off"  # the owner turned it off
    RECOVERY_RENEWED = "recovery_renewed"  # fresh recovery codes
    LINK_CHAT = "link_chat"  # the owner's chat was joined to the account
    UNLINK_CHAT = "unlink_chat"  # and taken off again

    # subscribers' data
    SUBSCRIBER = "subscriber"  # one was added or changed by the API
    SUBSCRIBERS_IMPORT = "subscribers_import"  # a part of a file was taken in
    SUBSCRIBERS_EXPORT = "subscribers_export"  # all of them left as a file
    SUBSCRIBER_ERASE = "subscriber_erase"  # an address was erased
    READ_ADDRESSES = "read-addresses"  # addresses were displayed to a person

    # the program and its settings
    AREAS_REPLACE = "areas_replace"  # the tree of areas was replaced
    AREAS_OUTLINE = "areas_outline"  # outlines of areas were added
    TOKEN_ADD = "token_add"  # an API token was made
    TOKEN_REVOKE = "token_revoke"  # an API token was ended
    UPLOAD = "upload"  # a picture was stored
    AUDIT_EXPORT = "audit_export"  # a copy of this log was taken
    ADOPT = "adopt"  # a moved or copied database was put to work here
