"""The pages people see: flows, consent, the library of applications, errors.

Serves / , /if/flow/, /if/user/, /if/continue/, /application/launch/, /recovery/use-token/, /recovery/break-glass/,
/static/ostiary/, robots.txt and favicon.ico. Works without JavaScript. Must not know how a stage decides, nor any
protocol: it renders what the flow engine answers, and no POST is redirected to another origin.
"""

__all__ = ["error_page", "room"]
