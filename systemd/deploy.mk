# make deploy, rollback, undeploy and status, in a checkout and in an unpacked release. systemd/deploy does the work; docs/operations.md describes it.
HOSTS   ?=
ROLE    ?=
ETCD    ?=
SSH     ?= ssh
FORCE   ?=
WAIT    ?= 60
WAVE    ?= 1
TARBALL ?=
ifneq ($(filter deploy rollback undeploy status,$(MAKECMDGOALS)),)
$(if $(filter-out master worker,$(ROLE))$(word 2,$(ROLE)),$(error ROLE is "$(ROLE)"; expected ROLE=master or ROLE=worker))
endif
# The user that deploy logs in as. USER counts only on the command line, because every shell sets one.
DEPLOY_USER = $(if $(filter command,$(origin USER)),$(USER),root)
DEPLOY = HOSTS="$(HOSTS)" ROLE="$(ROLE)" DEPLOY_USER="$(DEPLOY_USER)" ETCD="$(ETCD)" SSH="$(SSH)" BIN="$(BIN)" FORCE="$(FORCE)" WAIT="$(WAIT)" \
         WAVE="$(WAVE)" TARBALL="$(TARBALL)" systemd/deploy

.PHONY: deploy rollback undeploy status
deploy: $(if $(TARBALL),,$(if $(ROLE),$(BIN)/dts-$(ROLE)))
	@$(DEPLOY) deploy

rollback undeploy status:
	@$(DEPLOY) $@
