"""The model store: finds a model by path or id, in the caches of this machine or at the model hub, and keeps it.

It stands above the leaves, because it joins three of them: where models are kept (`config.environment`), what a config
says of its model (`config.schema`), and how a package is read (`models.package`). It knows no message, no socket of
ours and no process, so everything that runs models may ask it.
"""
