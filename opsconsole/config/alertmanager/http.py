"""`http_config`, as Alertmanager 0.25 reads it (prometheus/common 0.38, `config/http_config.go`)."""

from typing import Literal

from pydantic import Field, model_validator

from opsconsole.config.alertmanager.values import Bool, Part, Text, one_of
from opsconsole.settings import Texts


class BasicAuth(Part):
    username: Text = ""
    password: Text = ""
    password_file: Text = ""

    @model_validator(mode="after")
    def _one(self) -> "BasicAuth":
        one_of(self, "password", "password_file")
        return self


class Authorization(Part):
    type: Text = ""
    credentials: Text = ""
    credentials_file: Text = ""

    @model_validator(mode="after")
    def _one(self) -> "Authorization":
        one_of(self, "credentials", "credentials_file")
        if self.type.strip().lower() == "basic":
            raise ValueError("type cannot be basic: write basic_auth instead")
        return self


class Tls(Part):
    ca_file: Text = ""
    cert_file: Text = ""
    key_file: Text = ""
    server_name: Text = ""
    insecure_skip_verify: Bool = False
    min_version: Literal["TLS10", "TLS11", "TLS12", "TLS13"] | None = None


class OAuth2(Part):
    client_id: Text = ""
    client_secret: Text = ""
    client_secret_file: Text = ""
    scopes: list[Text] = Field(default_factory=list)
    token_url: Text = ""
    endpoint_params: Texts = Field(default_factory=dict)
    proxy_url: Text = ""
    tls_config: Tls = Tls()


class Http(Part):
    basic_auth: BasicAuth | None = None
    authorization: Authorization | None = None
    oauth2: OAuth2 | None = None
    bearer_token: Text = ""
    bearer_token_file: Text = ""
    proxy_url: Text = ""
    tls_config: Tls = Tls()
    follow_redirects: Bool = True
    enable_http2: Bool = True

    @model_validator(mode="after")
    def _one_way_in(self) -> "Http":
        one_of(self, "bearer_token", "bearer_token_file")
        if self.oauth2 is not None:
            one_of(self.oauth2, "client_secret", "client_secret_file")
        given = [name for name in ("basic_auth", "oauth2", "authorization") if getattr(self, name) is not None]
        given += ["bearer_token"] if self.bearer_token or self.bearer_token_file else []
        if len(given) > 1:
            raise ValueError(f"at most one of {', '.join(given)} must be configured")
        return self
