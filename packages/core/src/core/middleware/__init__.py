"""The layers that every request passes, one pure-ASGI class a file; core.middleware.stack has them in request order."""
