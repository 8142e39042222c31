"""An existing `alertmanager.yml` as the console's alerting: read by Alertmanager's rules, its receivers translated."""

from opsconsole.config.alertmanager.loading import Imported, load

__all__ = ["Imported", "load"]
