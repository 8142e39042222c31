"""What the `dashboards` section of the configuration says."""

from opsconsole.settings import Settings


class DashboardSettings(Settings):
    """`paths` are names, folders or globs beside the configuration file, or `packaged`; absent: the packaged dashboards."""

    paths: tuple[str, ...] | None = None
