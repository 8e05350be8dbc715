"""Findings of `broadcaster doctor` about a bot: its token and its webhook."""

from telegram import Bot, WebhookInfo, error

from channels.base.contract import Finding
from channels.base.telegram_bot.errors import failure_of

TOKEN_MISSING = Finding(
    ok=False,
    what="TELEGRAM_TOKEN belum diisi",
    mend="Buat bot lewat @BotFather dan isi tokennya.",
)


async def account_findings(bot: Bot, *, webhook: str, secret: str) -> list[Finding]:
    """Call getMe and getWebhookInfo; `webhook` is the URL that Telegram has to call."""
    try:
        user, hook = await bot.get_me(), await bot.get_webhook_info()
    except error.TelegramError as problem:
        mend = "Periksa TELEGRAM_TOKEN, TELEGRAM_API_URL dan sambungan internet."
        what = f"Telegram tidak dapat dipakai ({failure_of(problem).code})"
        return [Finding(ok=False, what=what, mend=mend)]
    return [
        Finding(ok=True, what=f"Bot @{user.username} menjawab"),
        _webhook_finding(hook, webhook, secret),
    ]


def _webhook_finding(hook: WebhookInfo, wanted: str, secret: str) -> Finding:
    if not secret or hook.url != wanted:
        call = (
            f"setWebhook dengan url={wanted}, secret_token, "
            "allowed_updates=message,callback_query,my_chat_member"
        )
        mend = f"Isi TELEGRAM_WEBHOOK_SECRET, lalu panggil {call}."
        return Finding(ok=False, what="Pesan warga ke bot belum sampai ke sini", mend=mend)
    problem = hook.last_error_message or ""
    return Finding(ok=None if problem else True, what=f"Webhook terpasang. {problem}".strip())
