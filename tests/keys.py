"""The vault that tests seal devices' credentials in."""

from cryptography.fernet import Fernet
from pydantic import SecretStr

from callcenter.store.vault import Vault

VAULT = Vault(SecretStr(Fernet.generate_key().decode()))
