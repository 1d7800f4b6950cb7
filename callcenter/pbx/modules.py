"""The modules a rendered Asterisk loads, and nothing more."""

from __future__ import annotations

from pathlib import Path

from callcenter.pbx.version import PbxVersion

MODULES = (
    # SIP and its storage
    "res_sorcery_config", "res_sorcery_memory", "res_sorcery_astdb", "res_pjproject", "res_timing_timerfd",
    "res_pjsip", "res_pjsip_session", "res_pjsip_pubsub", "res_pjsip_sdp_rtp", "res_pjsip_authenticator_digest",
    "res_pjsip_endpoint_identifier_ip", "res_pjsip_endpoint_identifier_user", "res_pjsip_registrar",
    "res_pjsip_caller_id", "res_pjsip_dtmf_info", "res_pjsip_nat", "res_pjsip_refer", "res_pjsip_rfc3326",
    "res_pjsip_dlg_options", "res_pjsip_empty_info", "res_pjsip_notify", "res_pjsip_header_funcs", "res_rtp_asterisk",
    "chan_pjsip",
    # audio
    "codec_alaw", "codec_ulaw", "codec_a_mu", "codec_g722", "codec_resample", "codec_gsm",
    "format_pcm", "format_sln", "format_wav", "format_gsm",
    "bridge_simple", "bridge_builtin_features", "bridge_softmix", "bridge_holding", "res_musiconhold", "res_mutestream",
    # the way of a call
    "pbx_config", "res_clioriginate", "app_dial", "app_queue", "app_playback", "app_mixmonitor", "app_stack",
    "app_celgenuserevent", "app_userevent", "app_playtones", "app_echo", "app_senddtmf", "app_bridgewait",
    "app_channelredirect", "app_chanspy",
    "func_callerid", "func_channel", "func_curl", "res_curl", "func_cut", "func_dialplan", "func_groupcount",
    "func_logic", "func_strings", "func_talkdetect", "func_uri",
    # what happened
    "cel_custom", "res_security_log",
)  # fmt: skip
"""Names without ``.so``. No AGI, no System, no Originate application, no ARI, no voicemail."""

PAGE_PHONE = (
    "res_http_websocket", "res_pjsip_transport_websocket", "res_srtp", "res_format_attr_opus",
)  # fmt: skip
"""For phones in agents' pages; of what they need HTTP itself is built in."""
OPUS = ("codec_opus", "codec_opus_open_source")
"""The transcoder of Opus comes beside Asterisk: Digium's, or Debian's ``asterisk-opus``."""

JOURNAL_WRITER = "res_cdrel_custom"
"""Newer Asterisks moved the writing of ``cel_custom`` into it: without it they keep no journal."""


def modules(version: PbxVersion, *, phone: bool = False, opus: str = "") -> tuple[str, ...]:
    """What is loaded: the journal's writer where there is one, the page's phone where it is wanted."""
    page = (*PAGE_PHONE, *((opus,) if opus else ())) if phone else ()
    journal = (JOURNAL_WRITER,) if version.writes_journal_by_cdrel else ()
    return (*MODULES, *page, *journal)


def opus_module(module_dir: Path) -> str:
    """The transcoder of Opus that lies there; empty where none does: then calls are in G.711."""
    return next((name for name in OPUS if (module_dir / f"{name}.so").is_file()), "")
