// The tables behind Spec: names of its enums and fields of its structs, for json/schema.h. `features` lists the names.
#pragma once

#include <span>

#include "json/schema.h"
#include "oci/spec.h"

namespace cella::oci {

std::span<const json::Name<RlimitType>> names_of(json::Type<RlimitType>);
std::span<const json::Name<SchedulerPolicy>> names_of(json::Type<SchedulerPolicy>);
std::span<const json::Name<SchedulerFlag>> names_of(json::Type<SchedulerFlag>);
std::span<const json::Name<IOPriorityClass>> names_of(json::Type<IOPriorityClass>);
std::span<const json::Name<NamespaceType>> names_of(json::Type<NamespaceType>);
std::span<const json::Name<SeccompAction>> names_of(json::Type<SeccompAction>);
std::span<const json::Name<SeccompOperator>> names_of(json::Type<SeccompOperator>);
std::span<const json::Name<SeccompFlag>> names_of(json::Type<SeccompFlag>);
std::span<const json::Name<SeccompArch>> names_of(json::Type<SeccompArch>);
std::span<const json::Name<Propagation>> names_of(json::Type<Propagation>);
std::span<const json::Name<MemoryPolicyMode>> names_of(json::Type<MemoryPolicyMode>);
std::span<const json::Name<MemoryPolicyFlag>> names_of(json::Type<MemoryPolicyFlag>);
std::span<const json::Name<PersonalityDomain>> names_of(json::Type<PersonalityDomain>);

std::span<const json::Field<Spec>> fields_of(json::Type<Spec>);
std::span<const json::Field<Process>> fields_of(json::Type<Process>);
std::span<const json::Field<Resources>> fields_of(json::Type<Resources>);
std::span<const json::Field<Hooks>> fields_of(json::Type<Hooks>);

}  // namespace cella::oci
