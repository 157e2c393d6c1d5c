# The Makefile of a release: installs it on hosts. make = help.
BIN ?= bin

.PHONY: help
help:
	@echo 'DTS $(shell cat VERSION); docs/operations.md leads from bare hosts to a first job'
	@echo 'make deploy   installs on hosts over ssh: make deploy HOSTS="a b" ROLE=worker [ETCD=host:2379] [WAVE=10] [USER=root]'
	@echo 'make rollback, make undeploy, make status   with the same arguments'

include systemd/deploy.mk
